//! What can be tuned.

use std::time::Duration;

use headgate_router::overload::adaptive;
use headgate_types::Class;

/// Two batches of a member, so that one is read while the other is handled.
const BUFFERED_MAX: usize = 512;
/// With eight partitions, what comes in a minute at 1,000 a second beyond what is handled. A place
/// takes about 100 bytes.
const AHEAD_MAX: usize = 8 << 10;
/// What a restart delivers again at most, in time.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// As long as a group waits for a member that gives partitions back.
const DRAIN: Duration = Duration::from_secs(5);
/// Deliveries of the embedded store share its syncs, so that more of them cost little.
const INITIAL: u32 = 64;
const MIN: u32 = 4;
const MAX: u32 = 512;

/// What can be tuned of a consumer.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many deliveries may be at work at once.
    pub concurrency: Concurrency,
    /// Events of a partition that are kept until they are settled; of the most important class a
    /// quarter more, of less important ones less. What there is no room for is read again.
    pub buffered_max: usize,
    /// Entries of a partition that are read beyond that, to find what is urgent among them. Above
    /// it reading waits; one more [batch](crate::ENTRIES_MAX) may be on its way.
    pub ahead_max: usize,
    /// How long an offset may stand settled and not committed.
    pub commit_every: Duration,
    /// How long deliveries at work are waited for when partitions are given back, and at the end.
    pub drain: Duration,
}

/// How many deliveries may be at work at once.
#[derive(Clone, Debug)]
pub enum Concurrency {
    /// Always as many.
    Fixed(u32),
    /// As many as do not wait for each other, found by experiments.
    Adaptive(adaptive::Settings),
}

impl Settings {
    /// Events of a partition that may be kept when one of this class comes.
    pub(super) fn room(&self, class: Class) -> usize {
        let shares = 5_usize.saturating_sub(class.index());
        self.buffered_max.saturating_mul(shares) / 4
    }

    /// Entries of a partition that are read and not settled, at most.
    pub(super) fn read_max(&self) -> usize {
        self.buffered_max.saturating_add(self.ahead_max)
    }
}

impl Default for Settings {
    fn default() -> Self {
        let limit =
            adaptive::Settings { initial: INITIAL, min: MIN, max: MAX, ..Default::default() };
        Self {
            concurrency: Concurrency::Adaptive(limit),
            buffered_max: BUFFERED_MAX,
            ahead_max: AHEAD_MAX,
            commit_every: COMMIT_EVERY,
            drain: DRAIN,
        }
    }
}
