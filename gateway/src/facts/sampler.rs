//! Which requests are kept when there are more than can be.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use headgate_types::Moment;

/// Seconds for which a rate that was not used up is saved: a short burst is kept whole.
const CREDIT_SECONDS: u64 = 16;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Keeps one request of so many that the rate is held, second by second.
///
/// How many that is follows from the second before, so the first second of a rush is kept as the
/// last calm one was; the queue behind bounds it. Threads may see a second end at once: one of them
/// turns it, and the others count into either.
#[derive(Debug)]
pub(crate) struct Sampler {
    rate: u64,
    second: AtomicU64,
    arrived: AtomicU64,
    every: AtomicU64,
    credit: AtomicU64,
}

impl Sampler {
    /// Keeps so many a second, one at least.
    pub(crate) fn new(rate: u64) -> Self {
        let rate = rate.max(1);
        Self {
            rate,
            second: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            every: AtomicU64::new(1),
            credit: AtomicU64::new(rate.saturating_mul(CREDIT_SECONDS)),
        }
    }

    /// For how many requests this one stands, if it is kept. `draw` is any number, each as likely
    /// as the others.
    pub(crate) fn weight(&self, now: Moment, draw: u64) -> Option<u64> {
        let second = now.as_nanos() / NANOS_PER_SECOND;
        let last = self.second.load(Relaxed);
        if second > last && self.second.compare_exchange(last, second, Relaxed, Relaxed).is_ok() {
            self.turn(second - last);
        }
        self.arrived.fetch_add(1, Relaxed);
        let every = self.every.load(Relaxed).max(1);
        draw.is_multiple_of(every).then_some(every)
    }

    fn turn(&self, seconds: u64) {
        let arrived = self.arrived.swap(0, Relaxed);
        let kept = arrived / self.every.load(Relaxed).max(1);
        let gained = self.rate.saturating_mul(seconds.min(CREDIT_SECONDS));
        let most = self.rate.saturating_mul(CREDIT_SECONDS);
        let credit = self.credit.load(Relaxed).saturating_add(gained).saturating_sub(kept);
        let credit = credit.min(most);
        self.credit.store(credit, Relaxed);
        let is_affordable = arrived <= self.rate || arrived <= credit;
        let every = if is_affordable { 1 } else { arrived.div_ceil(self.rate) };
        self.every.store(every, Relaxed);
    }
}

#[cfg(test)]
mod tests;
