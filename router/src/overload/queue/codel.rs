//! Tells a burst from a standing queue.

use std::time::Duration;

use headgate_types::Moment;

use crate::overload::num;

/// A wait is harmless up to a tenth of the upstream's RTT, within these bounds.
const TARGET_MIN: Duration = Duration::from_millis(5);
const TARGET_MAX: Duration = Duration::from_millis(50);

/// Controlled delay for a queue of requests: `CoDel` (Nichols, Jacobson, 2012; RFC 8289) as Meta's
/// folly adapts it to servers. When even the shortest wait of an interval was above the target,
/// the queue stands, and who has waited more than twice the target is let go.
///
/// The shortest wait is that which a last in line would have had: by Little's law the fewest
/// waiters over the rate at which they leave. The shortest wait that was seen says nothing here,
/// as fair queueing serves newcomers before those that have a backlog.
#[derive(Debug)]
pub(super) struct Codel {
    target: Duration,
    interval: Duration,
    harmless: Duration,
    fewest: usize,
    left: u32,
    interval_ends: Moment,
    stands: bool,
}

impl Codel {
    pub(super) fn new(interval: Duration, harmless: Duration) -> Self {
        Self {
            target: TARGET_MIN,
            interval,
            harmless,
            fewest: 0,
            left: 0,
            interval_ends: Moment::ZERO,
            stands: false,
        }
    }

    pub(super) fn set_rtt(&mut self, rtt: Duration) {
        self.target = (rtt / 10).clamp(TARGET_MIN, TARGET_MAX);
    }

    /// Takes another interval after the one that runs.
    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    pub(super) fn is_standing(&self) -> bool {
        self.stands
    }

    /// Notes how many wait.
    pub(super) fn entered(&mut self, waiters: usize, now: Moment) {
        // The newcomer itself is no queue.
        self.note(waiters.saturating_sub(1), now);
    }

    /// Notes how many wait after one has left.
    pub(super) fn served(&mut self, waiters: usize, now: Moment) {
        self.left = self.left.saturating_add(1);
        self.note(waiters, now);
    }

    /// Whether a wait was too long.
    pub(super) fn is_stale(&self, sojourn: Duration) -> bool {
        self.stands && sojourn > self.harmless.max(2 * self.target)
    }

    fn note(&mut self, waiters: usize, now: Moment) {
        if now >= self.interval_ends {
            let rate = f64::from(self.left) / self.interval.as_secs_f64();
            let shortest = num::seconds(self.fewest as f64 / rate.max(1e-3));
            self.stands = shortest > self.target;
            (self.fewest, self.left) = (waiters, 0);
            self.interval_ends = now + self.interval;
        }
        self.fewest = self.fewest.min(waiters);
    }
}
