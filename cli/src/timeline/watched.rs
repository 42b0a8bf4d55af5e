//! Looks at limits and breakers twice a second: for their metrics, and for the timeline.

use std::{collections::HashMap, sync::Arc, time::Duration};

use headgate_admin::{GateStatus, LayerCounts, LimitsStatus};
use headgate_gateway::{Edge, server::Task};
use headgate_telemetry::{
    BreakerMetrics, BreakerState, GateLevels, GateMetrics, GateScope, Metrics, RetryBudgetMetrics,
};
use headgate_types::{Class, Clock};
use tokio::{sync::watch, time::sleep};

use crate::{
    live,
    reload::Running,
    timeline::{Changes, Timeline},
};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A look at a very large configuration is followed by so many times its length of rest, so that it
/// takes a twentieth of one core at most.
const RESTS_PER_LOOK: u32 = 20;
/// Looks between two trims of the timeline.
const LOOKS_PER_TRIM: u32 = 120;
/// The rank that says that none is shed.
const SHEDS_NONE: u16 = 512;

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Watched {
    edge: Arc<Edge>,
    running: watch::Receiver<Arc<Running>>,
    clock: Arc<dyn Clock>,
    shown: Shown,
}

/// The metrics of what was seen so far.
#[derive(Debug)]
struct Shown {
    metrics: Metrics,
    gates: HashMap<(GateScope, String, String), GateMetrics>,
    breakers: HashMap<(String, String), BreakerMetrics>,
    budgets: HashMap<(String, String), RetryBudgetMetrics>,
}

impl Watched {
    pub(crate) fn new(
        edge: &Arc<Edge>,
        running: &watch::Receiver<Arc<Running>>,
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Self {
        let shown = Shown {
            metrics: metrics.clone(),
            gates: HashMap::new(),
            breakers: HashMap::new(),
            budgets: HashMap::new(),
        };
        let (edge, running, clock) = (Arc::clone(edge), running.clone(), Arc::clone(clock));
        Self { edge, running, clock, shown }
    }

    /// Looks until the edge ends.
    pub(crate) fn task(self, timeline: Timeline) -> Task {
        Box::new(|mut shutdown| {
            Box::pin(async move {
                tokio::select! {
                    () = self.look(timeline) => {}
                    // A sender that is gone means the same as one that says stop.
                    _stopped = shutdown.wait_for(|stop| *stop) => {}
                }
            })
        })
    }

    async fn look(mut self, timeline: Timeline) {
        let mut changes = Changes::default();
        let mut number = 0_u32;
        loop {
            let began = self.clock.now();
            let running = Arc::clone(&self.running.borrow());
            let limits = live::limits::limits(&self.edge.limits_in_use());
            self.shown.show(&limits);
            let entries = changes.look(&limits, &running.status(), self.clock.now());
            timeline.write(entries).await;
            if number.is_multiple_of(LOOKS_PER_TRIM) {
                timeline.trim().await;
            }
            number = number.wrapping_add(1);
            let took = self.clock.now().since(began);
            sleep(LOOK_EVERY.max(took * RESTS_PER_LOOK)).await;
        }
    }
}

impl Shown {
    fn show(&mut self, limits: &LimitsStatus) {
        let mut gone = std::mem::take(&mut self.gates);
        for upstream in &limits.upstreams {
            let Some(gate) = &upstream.gate else { continue };
            self.gate(&mut gone, (GateScope::Upstream, &upstream.team, &upstream.name), gate);
            let name = (upstream.team.clone(), upstream.name.clone());
            let states = BreakerState::ALL.map(|state| {
                let stands = upstream.endpoints.iter().filter(|one| one.breaker == state.as_str());
                u32::try_from(stands.count()).unwrap_or(u32::MAX)
            });
            let metrics = &self.metrics;
            let breakers = self.breakers.entry(name);
            let breakers =
                breakers.or_insert_with(|| metrics.breakers(&upstream.team, &upstream.name));
            breakers.observe(states);
        }
        for route in &limits.routes {
            if let Some(gate) = &route.gate {
                self.gate(&mut gone, (GateScope::Route, &route.team, &route.name), gate);
            }
            if route.retry_counts == LayerCounts::default() {
                continue;
            }
            let metrics = &self.metrics;
            let budget = self.budgets.entry((route.team.clone(), route.name.clone()));
            let budget = budget.or_insert_with(|| metrics.retry_budget(&route.team, &route.name));
            budget.observe(route.retries_left);
        }
        // A limit that is no more must not look like one that is used up.
        let nothing = GateLevels { threshold: SHEDS_NONE, ..GateLevels::default() };
        for gate in gone.values() {
            gate.observe(&nothing);
        }
    }

    fn gate(
        &mut self,
        known: &mut HashMap<(GateScope, String, String), GateMetrics>,
        (scope, team, name): (GateScope, &str, &str),
        gate: &GateStatus,
    ) {
        let key = (scope, team.to_owned(), name.to_owned());
        let shown = known.remove(&key).unwrap_or_else(|| self.metrics.gate(scope, team, name));
        shown.observe(&levels(gate));
        self.gates.insert(key, shown);
    }
}

fn levels(gate: &GateStatus) -> GateLevels {
    let of = |class: Class| gate.in_flight_by_class.get(class.as_str()).copied().unwrap_or(0);
    GateLevels {
        limit: gate.limit,
        in_flight: Class::ALL.map(of),
        queued: usize::try_from(gate.queued).unwrap_or(usize::MAX),
        no_load: gate.no_load_ms.unwrap_or(0.0) / 1_000.0,
        threshold: gate.shed_from.unwrap_or(SHEDS_NONE),
    }
}

#[cfg(test)]
mod tests;
