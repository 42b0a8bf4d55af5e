//! What is known of where an upstream's endpoints are looked up; it outlasts their changes.

use std::time::Duration;

use headgate_router::discovery::Fault;
use headgate_telemetry::DiscoveryMetrics;
use headgate_types::{Moment, UnixTime};
use parking_lot::Mutex;

use crate::settings::Dns;

/// How the endpoints of an upstream are found, as it stands at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryState {
    /// What is asked for.
    pub question: String,
    /// Time since the last good answer, whose endpoints are in force. None: there was none.
    pub age: Option<Duration>,
    /// What was wrong at the last look. None: nothing, or nobody has looked.
    pub fault: Option<Fault>,
    /// Addresses beyond the limit, which are left out.
    pub left_out: usize,
}

/// Where endpoints are looked up, and what came of it.
#[derive(Debug)]
pub(crate) struct LookedUp {
    pub(super) dns: Dns,
    looks: Mutex<Looks>,
    metrics: DiscoveryMetrics,
}

#[derive(Debug, Default)]
struct Looks {
    has_looked: bool,
    good_at: Option<Moment>,
    fault: Option<Fault>,
    left_out: usize,
}

impl LookedUp {
    pub(super) fn new(dns: Dns, metrics: DiscoveryMetrics) -> Self {
        Self { dns, looks: Mutex::default(), metrics }
    }

    /// Whether a look has ended, however.
    pub(crate) fn has_looked(&self) -> bool {
        self.looks.lock().has_looked
    }

    /// Notes a good answer with so many endpoints. Returns the fault that is over, if there was one,
    /// and how many endpoints were left out before.
    pub(super) fn good(
        &self,
        (now, time): (Moment, UnixTime),
        (count, left_out): (usize, usize),
    ) -> (Option<Fault>, usize) {
        self.metrics.good(time, count);
        let after = Looks { has_looked: true, good_at: Some(now), fault: None, left_out };
        let before = std::mem::replace(&mut *self.looks.lock(), after);
        (before.fault, before.left_out)
    }

    /// Notes a look that has changed nothing. Returns whether that is new.
    pub(super) fn bad(&self, fault: Fault) -> bool {
        self.metrics.failed();
        let mut looks = self.looks.lock();
        looks.has_looked = true;
        looks.fault.replace(fault) != Some(fault)
    }

    pub(super) fn state(&self, now: Moment) -> DiscoveryState {
        let looks = self.looks.lock();
        DiscoveryState {
            question: self.dns.question.to_string(),
            age: looks.good_at.map(|at| now.since(at)),
            fault: looks.fault,
            left_out: looks.left_out,
        }
    }
}
