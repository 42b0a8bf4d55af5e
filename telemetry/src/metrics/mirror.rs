//! Counts the copies of a route's requests that go to another upstream.

use std::time::Duration;

use metrics::{Counter, Histogram};

use crate::{
    catalog,
    labels::MirrorResult,
    metrics::{Metrics, bounded, increment},
};

/// Counts the copies of one route's requests.
#[derive(Clone, Debug)]
pub struct MirrorMetrics {
    results: [Counter; MirrorResult::ALL.len()],
    caller: Histogram,
    mirror: Histogram,
}

impl Metrics {
    /// The handles of one route's mirror. The same names give the same counts.
    pub fn mirror(&self, team: &str, route: &str) -> MirrorMetrics {
        let (team, route) = bounded(&mut self.names.lock().routes, team, route);
        let head = |side| self.histogram(&catalog::MIRROR_HEAD_DURATION, &[team, route, side]);
        MirrorMetrics {
            results: MirrorResult::ALL.map(|result| {
                self.counter(&catalog::MIRROR_REQUESTS, &[team, route, result.as_str()])
            }),
            caller: head("caller"),
            mirror: head("mirror"),
        }
    }
}

impl MirrorMetrics {
    /// Counts what became of a copy.
    pub fn ended(&self, result: MirrorResult) {
        increment(&self.results, result.index());
    }

    /// Notes how long both sides took to the head of their answers.
    pub fn answered(&self, caller: Duration, mirror: Duration) {
        self.caller.record(caller.as_secs_f64());
        self.mirror.record(mirror.as_secs_f64());
    }
}
