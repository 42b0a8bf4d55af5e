//! Counts the requests that one arm of a split route gets, and remembers them while the
//! configuration changes around it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use headgate_types::{Outcome, UnixTime};
use metrics::{Counter, Histogram};

use crate::{
    catalog::{self, NAMES_MAX, OTHER},
    metrics::{Metrics, increment},
};

/// Whose requests are counted.
#[derive(Clone, Copy, Debug)]
pub struct ArmNames<'a> {
    /// The team that owns the route.
    pub team: &'a str,
    /// The route.
    pub route: &'a str,
    /// The arm.
    pub arm: &'a str,
}

/// Counts the exchanges of one arm of one route.
#[derive(Clone, Debug)]
pub struct ArmMetrics {
    ended: [Counter; Outcome::ALL.len()],
    duration: Histogram,
    tally: Arc<Tally>,
}

/// What an arm got since it is counted.
#[derive(Debug)]
pub(super) struct Tally {
    since: UnixTime,
    requests: AtomicU64,
    /// Milliseconds since the epoch; zero before the first.
    last: AtomicU64,
}

/// What an arm has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArmCounts {
    /// Since when it is counted.
    pub since: UnixTime,
    /// Exchanges that have ended since.
    pub requests: u64,
    /// When the last of them began. None before the first.
    pub last: Option<UnixTime>,
}

impl Tally {
    const fn new(since: UnixTime) -> Self {
        Self { since, requests: AtomicU64::new(0), last: AtomicU64::new(0) }
    }
}

impl Metrics {
    /// The handles of one arm of one route. The same names give the same counts, whatever becomes
    /// of the configuration in between; an arm without handles yet is counted from `now` on.
    pub fn arm(&self, names: ArmNames<'_>, now: UnixTime) -> ArmMetrics {
        let key = [names.team, names.route, names.arm].map(str::to_owned);
        let mut taken = self.names.lock();
        let is_known = taken.arms.contains_key(&key) || taken.arms.len() < NAMES_MAX;
        let tally = if is_known {
            Arc::clone(taken.arms.entry(key).or_insert_with(|| Arc::new(Tally::new(now))))
        } else {
            // Counted for as long as the handles live.
            Arc::new(Tally::new(now))
        };
        drop(taken);
        let [team, route, arm] =
            if is_known { [names.team, names.route, names.arm] } else { [OTHER; 3] };
        ArmMetrics {
            ended: Outcome::ALL.map(|outcome| {
                self.counter(&catalog::ARM_ENDED, &[team, route, arm, outcome.as_str()])
            }),
            duration: self.histogram(&catalog::ARM_DURATION, &[team, route, arm]),
            tally,
        }
    }
}

impl ArmMetrics {
    /// Counts the end of an exchange that began at a time and lasted so long.
    pub fn ended(&self, outcome: Outcome, began: UnixTime, duration: Duration) {
        increment(&self.ended, outcome.index());
        self.duration.record(duration.as_secs_f64());
        self.tally.requests.fetch_add(1, Relaxed);
        let millis = u64::try_from(began.as_duration().as_millis()).unwrap_or(u64::MAX);
        self.tally.last.fetch_max(millis, Relaxed);
    }

    /// What the arm has got so far.
    pub fn counts(&self) -> ArmCounts {
        let last = self.tally.last.load(Relaxed);
        let last = (last > 0).then(|| UnixTime::from_duration(Duration::from_millis(last)));
        ArmCounts { since: self.tally.since, requests: self.tally.requests.load(Relaxed), last }
    }
}

#[cfg(test)]
mod tests;
