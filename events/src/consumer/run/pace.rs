//! How many deliveries may be at work at once, and when delay queues are looked at.

use std::{collections::BTreeSet, time::Duration};

use headgate_router::overload::{
    adaptive::Adaptive,
    limit::{self, Fixed, Limit, Sample},
};
use headgate_types::Moment;
use tokio::time::Instant;

use crate::consumer::{
    settings::Concurrency,
    work::{End, Report},
};

/// Moments that are kept in mind. What is forgotten is found by the regular look.
const MOMENTS_MAX: usize = 1_024;
/// A run that is shorter counts as one of this length: how long it takes tells more of the machine
/// than of what the handler waits for.
const RUN_MIN: Duration = Duration::from_millis(1);
/// Between two looks, so that many moments do not make one look each.
const APART: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Pace {
    limit: Box<dyn Limit>,
    is_limited: bool,
    /// Whether what more deliveries at once wait longer for is their handler alone: their writes
    /// share syncs.
    shares_syncs: bool,
    moments: BTreeSet<Instant>,
}

impl Pace {
    pub(super) fn new(concurrency: &Concurrency, shares_syncs: bool) -> Self {
        let limit: Box<dyn Limit> = match concurrency {
            Concurrency::Fixed(limit) => Box::new(Fixed(*limit)),
            Concurrency::Adaptive(settings) => Box::new(Adaptive::new(*settings)),
        };
        Self { limit, is_limited: false, shares_syncs, moments: BTreeSet::new() }
    }

    /// Deliveries that may be at work at once; one at least.
    pub(super) fn limit(&self) -> usize {
        usize::try_from(self.limit.limit().max(1)).unwrap_or(usize::MAX)
    }

    /// Work had to wait for the limit.
    pub(super) fn was_limited(&mut self) {
        self.is_limited = true;
    }

    /// Learns from the end of a delivery.
    pub(super) fn ended(
        &mut self,
        (started, ended): (Moment, Moment),
        in_flight: u32,
        report: &Report,
    ) {
        let ran = report.ran.max(RUN_MIN);
        let started = if self.shares_syncs { ended - ran } else { started };
        let end = match report.end {
            End::Settled => limit::End::Success,
            // Its time says nothing about load; the breaker keeps from what is down.
            End::Down { .. } | End::Again(_) | End::Gone => limit::End::Ignore,
        };
        let limited = std::mem::take(&mut self.is_limited);
        let sample = Sample { started, ended, in_flight, limited, held_back: false, kind: 0, end };
        self.limit.on_sample(&sample);
    }

    /// Notes when something is due.
    pub(super) fn note(&mut self, at: Instant) {
        if self.moments.len() < MOMENTS_MAX {
            self.moments.insert(at);
        }
    }

    /// When to look next, of moments that are noted and the regular ones.
    pub(super) fn next_look(&mut self, now: Instant, every: Duration) -> Instant {
        self.moments = self.moments.split_off(&(now + Duration::from_nanos(1)));
        let next = self.moments.first().copied().unwrap_or(now + every);
        next.clamp(now + APART, now + every)
    }
}

#[cfg(test)]
mod tests;
