//! Which endpoints of an upstream may be asked before any breaker is: by their health, by what a
//! person has drained, and by how warm they are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use headgate_router::health::{self, Health, Set, State, Thresholds};
use headgate_telemetry::HealthMetrics;
use headgate_types::Moment;
use parking_lot::Mutex;

use crate::settings;

/// What is known of one endpoint; it outlasts changes of the configuration.
#[derive(Debug)]
pub(super) struct Standing {
    is_unhealthy: AtomicBool,
    /// Since when it may be asked, in nanoseconds.
    since: AtomicU64,
    checked: Mutex<Checked>,
}

/// What checks have said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Checked {
    pub(super) health: Health,
    /// What was wrong at the last check.
    pub(super) fault: Option<&'static str>,
}

impl Standing {
    fn new(now: Moment) -> Arc<Self> {
        Arc::new(Self {
            is_unhealthy: AtomicBool::new(false),
            since: AtomicU64::new(now.as_nanos()),
            checked: Mutex::default(),
        })
    }

    pub(super) fn checked(&self) -> Checked {
        *self.checked.lock()
    }

    /// Takes in how a check ended. Returns the state that it has changed to, if it has.
    pub(super) fn note(
        &self,
        fault: Option<&'static str>,
        thresholds: Thresholds,
        now: Moment,
    ) -> Option<State> {
        let mut checked = self.checked.lock();
        let before = checked.health.state();
        checked.health = checked.health.checked(fault.is_none(), thresholds);
        checked.fault = fault;
        let after = checked.health.state();
        let is_unhealthy = after == State::Unhealthy;
        if self.is_unhealthy.swap(is_unhealthy, Ordering::Relaxed) && !is_unhealthy {
            self.since.store(now.as_nanos(), Ordering::Relaxed);
        }
        (before != after).then_some(after)
    }
}

/// The fitness of an upstream's endpoints.
#[derive(Debug)]
pub(crate) struct Fitness {
    standings: Vec<Arc<Standing>>,
    drained: Vec<bool>,
    /// None: an endpoint gets its whole share at once.
    slow_start: Option<Duration>,
    metrics: HealthMetrics,
}

/// Whether an upstream needs one.
pub(super) fn is_wanted(settings: &settings::Upstream) -> bool {
    settings.health.is_some() || settings.slow_start.is_some() || !settings.drained.is_empty()
}

impl Fitness {
    /// The fitness of these endpoints, with what is known of those that had one before.
    pub(super) fn new(
        settings: &settings::Upstream,
        known: impl Iterator<Item = Option<Arc<Standing>>>,
        metrics: HealthMetrics,
        now: Moment,
    ) -> Self {
        let fitness = Self {
            standings: known.map(|known| known.unwrap_or_else(|| Standing::new(now))).collect(),
            drained: settings
                .endpoints
                .iter()
                .map(|one| settings.drained.contains(&one.address))
                .collect(),
            slow_start: settings.slow_start,
            metrics,
        };
        fitness.show();
        fitness
    }

    pub(super) fn standing(&self, endpoint: usize) -> Option<&Arc<Standing>> {
        self.standings.get(endpoint)
    }

    pub(super) fn metrics(&self) -> &HealthMetrics {
        &self.metrics
    }

    /// Whether a person has drained an endpoint.
    pub(crate) fn is_drained(&self, endpoint: usize) -> bool {
        self.drained.get(endpoint).copied().unwrap_or(false)
    }

    /// The endpoints that may be asked. `random` as for [`health::fit`].
    pub(crate) fn fit(&self, now: Moment, random: u64) -> Set {
        let standing = |(standing, is_drained): (&Arc<Standing>, &bool)| health::Standing {
            is_drained: *is_drained,
            is_unhealthy: standing.is_unhealthy.load(Ordering::Relaxed),
            share: self.slow_start.map_or(1.0, |slow_start| {
                let since = Moment::from_nanos(standing.since.load(Ordering::Relaxed));
                health::share(since, now, slow_start)
            }),
        };
        health::fit(self.standings.iter().zip(&self.drained).map(standing), random)
    }

    /// Shows how many endpoints stand how.
    pub(super) fn show(&self) {
        let (mut healthy, mut unhealthy, mut drained) = (0, 0, 0);
        for (standing, is_drained) in self.standings.iter().zip(&self.drained) {
            if *is_drained {
                drained += 1;
            } else if standing.is_unhealthy.load(Ordering::Relaxed) {
                unhealthy += 1;
            } else {
                healthy += 1;
            }
        }
        self.metrics.observe([healthy, unhealthy, drained]);
    }
}

#[cfg(test)]
mod tests;
