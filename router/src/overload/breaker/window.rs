//! Exact counts over the last ten seconds.

use headgate_types::Moment;

const BUCKETS: usize = 10;
const BUCKET_NANOS: u64 = 1_000_000_000;

/// Calls and successes in buckets of a second. Exact, as a burst of failures hides in a moving
/// average (linkerd).
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::overload) struct Window {
    buckets: [(u32, u32); BUCKETS],
    newest: u64,
}

impl Window {
    pub(in crate::overload) fn add(&mut self, now: Moment, is_success: bool) {
        self.turn(now);
        let bucket = usize::try_from(self.newest).unwrap_or(0) % BUCKETS;
        if let Some((calls, successes)) = self.buckets.get_mut(bucket) {
            *calls = calls.saturating_add(1);
            *successes = successes.saturating_add(u32::from(is_success));
        }
    }

    /// Drops what is older than the window.
    pub(in crate::overload) fn turn(&mut self, now: Moment) {
        let second = now.as_nanos() / BUCKET_NANOS;
        let passed = second.saturating_sub(self.newest).min(BUCKETS as u64);
        for step in 1..=passed {
            let bucket = usize::try_from(self.newest + step).unwrap_or(0) % BUCKETS;
            if let Some(old) = self.buckets.get_mut(bucket) {
                *old = (0, 0);
            }
        }
        // After a long silence the buckets were all cleared, and only the number has to follow.
        if second.saturating_sub(self.newest) > BUCKETS as u64 {
            self.buckets = [(0, 0); BUCKETS];
        }
        self.newest = self.newest.max(second);
    }

    /// Calls and successes of the last ten seconds, as of the last turn.
    pub(in crate::overload) fn sums(&self) -> (u32, u32) {
        self.buckets
            .iter()
            .fold((0, 0), |(calls, successes), bucket| (calls + bucket.0, successes + bucket.1))
    }
}
