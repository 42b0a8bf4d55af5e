//! Attempts at one upstream, and its connections.

use std::time::Duration;

use headgate_types::UnixTime;
use metrics::{Counter, Gauge, Histogram};

use super::{Metrics, bounded, increment};
use crate::{catalog, labels::AttemptResult};

/// Counts attempts at one upstream, and its connections.
#[derive(Clone, Debug)]
pub struct UpstreamMetrics {
    pub(super) attempts: [Counter; AttemptResult::ALL.len()],
    pub(super) connect: Histogram,
    pub(super) head: Histogram,
    pub(super) in_use: Gauge,
    pub(super) idle: Gauge,
    pub(super) opened: Counter,
    pub(super) reused: Counter,
}

impl UpstreamMetrics {
    /// Counts the end of an attempt.
    pub fn attempted(&self, result: AttemptResult) {
        increment(&self.attempts, result.index());
    }

    /// Notes how long an attempt waited for the head of its answer.
    pub fn answered(&self, waited: Duration) {
        self.head.record(waited.as_secs_f64());
    }

    /// Counts a connection that was opened and is in use, and how long that took.
    pub fn connection_opened(&self, took: Duration) {
        self.opened.increment(1);
        self.in_use.increment(1.0);
        self.connect.record(took.as_secs_f64());
    }

    /// Counts an idle connection taken for an attempt.
    pub fn connection_reused(&self) {
        self.reused.increment(1);
        self.idle.decrement(1.0);
        self.in_use.increment(1.0);
    }

    /// Counts a connection in use that became idle.
    pub fn connection_idled(&self) {
        self.in_use.decrement(1.0);
        self.idle.increment(1.0);
    }

    /// Counts a connection closed while it was in use.
    pub fn connection_closed_in_use(&self) {
        self.in_use.decrement(1.0);
    }

    /// Counts a connection closed while it was idle.
    pub fn connection_closed_idle(&self) {
        self.idle.decrement(1.0);
    }

    /// Counts an attempt that shares a connection in use, as HTTP/2 streams do.
    pub fn connection_shared(&self) {
        self.reused.increment(1);
    }
}

/// Shows how the endpoints of one upstream stand, and counts its checks.
#[derive(Clone, Debug)]
pub struct HealthMetrics {
    states: [Gauge; HEALTH_STATES.len()],
    good: Counter,
    failed: Counter,
}

const HEALTH_STATES: [&str; 3] = ["healthy", "unhealthy", "drained"];

impl HealthMetrics {
    /// Shows how many endpoints are healthy, unhealthy and drained.
    pub fn observe(&self, counts: [u32; HEALTH_STATES.len()]) {
        for (gauge, count) in self.states.iter().zip(counts) {
            gauge.set(f64::from(count));
        }
    }

    /// Counts a check.
    pub fn checked(&self, is_good: bool) {
        if is_good { &self.good } else { &self.failed }.increment(1);
    }
}

/// Counts the looks for the endpoints of one upstream, and shows what came of them.
#[derive(Clone, Debug)]
pub struct DiscoveryMetrics {
    good: Counter,
    failed: Counter,
    endpoints: Gauge,
    good_at: Gauge,
}

impl DiscoveryMetrics {
    /// Counts a good answer, and shows its endpoints.
    pub fn good(&self, time: UnixTime, endpoints_count: usize) {
        self.good.increment(1);
        self.endpoints.set(endpoints_count as f64);
        self.good_at.set(time.as_duration().as_secs_f64());
    }

    /// Counts a look that has changed nothing.
    pub fn failed(&self) {
        self.failed.increment(1);
    }
}

impl Metrics {
    /// The looks for one upstream's endpoints. The same names give the same counts.
    pub fn discovery(&self, team: &str, upstream: &str) -> DiscoveryMetrics {
        let (team, upstream) = bounded(&mut self.names.lock().upstreams, team, upstream);
        let look = |result| self.counter(&catalog::DISCOVERY_LOOKUPS, &[team, upstream, result]);
        DiscoveryMetrics {
            good: look("ok"),
            failed: look("failed"),
            endpoints: self.gauge(&catalog::DISCOVERED, &[team, upstream]),
            good_at: self.gauge(&catalog::DISCOVERY_GOOD, &[team, upstream]),
        }
    }

    /// The health of one upstream's endpoints. The same names give the same counts.
    pub fn health(&self, team: &str, upstream: &str) -> HealthMetrics {
        let (team, upstream) = bounded(&mut self.names.lock().upstreams, team, upstream);
        let check = |result| self.counter(&catalog::HEALTH_CHECKS, &[team, upstream, result]);
        HealthMetrics {
            states: HEALTH_STATES
                .map(|state| self.gauge(&catalog::HEALTH, &[team, upstream, state])),
            good: check("ok"),
            failed: check("failed"),
        }
    }
}
