//! What protective layers say, and how limits and breakers stand.

use std::sync::OnceLock;

use headgate_types::Class;
use metrics::{Counter, Gauge};
use parking_lot::RwLock;

use super::{EdgeMetrics, Metrics, bounded};
use crate::{
    catalog,
    labels::{BreakerState, GateScope, Layer, LayerReason, Ruled},
};

/// Counts what layers said of the requests of one route. A series is made when it is first counted,
/// so that a route that refuses nobody has few.
#[derive(Debug)]
pub struct RulingMetrics {
    metrics: Metrics,
    names: [String; 2],
    /// By class and layer: nearly every request is counted here, in each layer that it met.
    admitted: [[OnceLock<Counter>; Layer::ALL.len()]; Class::ALL.len()],
    others: RwLock<Vec<(Ruling, Counter)>>,
}

/// What one layer said of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What the request was worth.
    pub class: Class,
    /// The layer.
    pub layer: Layer,
    /// What it said.
    pub ruled: Ruled,
    /// Why.
    pub reason: LayerReason,
}

impl RulingMetrics {
    /// Counts a ruling.
    pub fn ruled(&self, ruling: Ruling) {
        if ruling.ruled == Ruled::Admitted {
            let of_class = self.admitted.get(ruling.class.index());
            if let Some(counter) = of_class.and_then(|layers| layers.get(ruling.layer.index())) {
                counter.get_or_init(|| self.counter(ruling)).increment(1);
            }
            return;
        }
        let known = self.others.read();
        if let Some((_, counter)) = known.iter().find(|(known, _)| *known == ruling) {
            counter.increment(1);
            return;
        }
        drop(known);
        // Two threads may come here at once: both get the same series.
        let counter = self.counter(ruling);
        counter.increment(1);
        self.others.write().push((ruling, counter));
    }

    fn counter(&self, ruling: Ruling) -> Counter {
        let Ruling { class, layer, ruled, reason } = ruling;
        let [team, route] = &self.names;
        let words = [class.as_str(), layer.as_str(), ruled.as_str(), reason.as_str()];
        let [class, layer, ruled, reason] = words;
        self.metrics.counter(&catalog::RULED, &[team, route, class, layer, ruled, reason])
    }
}

/// Requests by class, by whether their user is heavy, and by what was said of them.
pub(super) type Users = [[[Counter; Ruled::ALL.len()]; USERS.len()]; Class::ALL.len()];
const USERS: [&str; 2] = ["ordinary", "heavy"];

impl Metrics {
    pub(super) fn users(&self) -> Users {
        Class::ALL.map(|class| {
            USERS.map(|user| {
                Ruled::ALL.map(|ruled| {
                    let labels = [class.as_str(), user, ruled.as_str()];
                    self.counter(&catalog::USER_REQUESTS, &labels)
                })
            })
        })
    }
}

impl EdgeMetrics {
    /// Counts a request that layers have ruled on: the worst that one of them said, and whether its
    /// user had asked for much.
    pub fn user_ruled(&self, class: Class, is_heavy: bool, ruled: Ruled) {
        let of_class = self.users.get(class.index());
        let of_user = of_class.and_then(|users| users.get(usize::from(is_heavy)));
        if let Some(of_user) = of_user {
            super::increment(of_user, ruled.index());
        }
    }
}

/// Shows how one concurrency limit stands.
#[derive(Clone, Debug)]
pub struct GateMetrics {
    limit: Gauge,
    in_flight: [Gauge; Class::ALL.len()],
    queued: Gauge,
    no_load: Gauge,
    threshold: Gauge,
}

/// A concurrency limit as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GateLevels {
    /// The limit.
    pub limit: u32,
    /// Permits that are out, by class.
    pub in_flight: [u32; Class::ALL.len()],
    /// Requests that wait.
    pub queued: usize,
    /// What a call takes without load, in seconds; 0 while it is not known.
    pub no_load: f64,
    /// The first rank that is shed.
    pub threshold: u16,
}

impl GateMetrics {
    /// Shows the limit as it stands.
    pub fn observe(&self, levels: &GateLevels) {
        self.limit.set(f64::from(levels.limit));
        for (gauge, count) in self.in_flight.iter().zip(levels.in_flight) {
            gauge.set(f64::from(count));
        }
        self.queued.set(levels.queued as f64);
        self.no_load.set(levels.no_load);
        self.threshold.set(f64::from(levels.threshold));
    }
}

/// Shows how the breakers of one upstream's endpoints stand.
#[derive(Clone, Debug)]
pub struct BreakerMetrics([Gauge; BreakerState::ALL.len()]);

impl BreakerMetrics {
    /// Shows how many endpoints stand how, in the order of [`BreakerState::ALL`].
    pub fn observe(&self, counts: [u32; BreakerState::ALL.len()]) {
        for (gauge, count) in self.0.iter().zip(counts) {
            gauge.set(f64::from(count));
        }
    }
}

impl Metrics {
    /// The counts of what layers say of one route's requests. The same names give the same counts.
    pub fn rulings(&self, team: &str, route: &str) -> RulingMetrics {
        let (team, route) = bounded(&mut self.names.lock().routes, team, route);
        RulingMetrics {
            metrics: self.clone(),
            names: [team.to_owned(), route.to_owned()],
            admitted: [const { [const { OnceLock::new() }; Layer::ALL.len()] }; Class::ALL.len()],
            others: RwLock::default(),
        }
    }

    /// The levels of one concurrency limit: that of an upstream or a route.
    pub fn gate(&self, scope: GateScope, team: &str, name: &str) -> GateMetrics {
        let names = &mut *self.names.lock();
        let (team, name) = match scope {
            GateScope::Upstream => bounded(&mut names.upstreams, team, name),
            GateScope::Route => bounded(&mut names.routes, team, name),
        };
        let values = [team, scope.as_str(), name];
        let in_flight = |class: Class| {
            self.gauge(&catalog::GATE_IN_FLIGHT, &[team, scope.as_str(), name, class.as_str()])
        };
        GateMetrics {
            limit: self.gauge(&catalog::GATE_LIMIT, &values),
            in_flight: Class::ALL.map(in_flight),
            queued: self.gauge(&catalog::GATE_QUEUED, &values),
            no_load: self.gauge(&catalog::GATE_NO_LOAD, &values),
            threshold: self.gauge(&catalog::GATE_THRESHOLD, &values),
        }
    }

    /// The states of the breakers of one upstream.
    pub fn breakers(&self, team: &str, upstream: &str) -> BreakerMetrics {
        let (team, upstream) = bounded(&mut self.names.lock().upstreams, team, upstream);
        let state =
            |state: BreakerState| self.gauge(&catalog::BREAKERS, &[team, upstream, state.as_str()]);
        BreakerMetrics(BreakerState::ALL.map(state))
    }

    /// The retries that one route's budget has left.
    pub fn retry_budget(&self, team: &str, route: &str) -> RetryBudgetMetrics {
        let (team, route) = bounded(&mut self.names.lock().routes, team, route);
        RetryBudgetMetrics(self.gauge(&catalog::RETRY_BUDGET, &[team, route]))
    }
}

/// Shows the retries that one route's budget has left.
#[derive(Clone, Debug)]
pub struct RetryBudgetMetrics(Gauge);

impl RetryBudgetMetrics {
    /// Shows how many are left.
    pub fn observe(&self, left: f64) {
        self.0.set(left);
    }
}

#[cfg(test)]
mod tests;
