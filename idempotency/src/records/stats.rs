//! What the verbs did.

use std::sync::atomic::{AtomicU64, Ordering};

/// What happened since the records were made. Every number only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys that were claimed.
    pub claimed: u64,
    /// Of them, keys that were taken over from a worker which was lost while it ran. An effect
    /// outside that honors no key may have been repeated as often.
    pub taken_over: u64,
    /// Outcomes that were committed, of any kind.
    pub settled: u64,
    /// Duplicates that were answered a recorded outcome.
    pub replayed: u64,
    /// Claims and commits that found somebody else at work on the key.
    pub busy: u64,
    /// Claims and commits that found another payload under the key.
    pub conflicts: u64,
    /// Keys that were held: their worker was lost, or did not know whether its effect happened.
    pub held: u64,
    /// Keys that waited for a person and were resolved.
    pub resolved: u64,
    /// Writes that were refused because the key is another claim's.
    pub fenced: u64,
    /// Writes of which no answer told whether they took place.
    pub doubts: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) claimed: AtomicU64,
    pub(super) taken_over: AtomicU64,
    pub(super) settled: AtomicU64,
    pub(super) replayed: AtomicU64,
    pub(super) busy: AtomicU64,
    pub(super) conflicts: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) resolved: AtomicU64,
    pub(super) fenced: AtomicU64,
    pub(super) doubts: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            claimed: read(&self.claimed),
            taken_over: read(&self.taken_over),
            settled: read(&self.settled),
            replayed: read(&self.replayed),
            busy: read(&self.busy),
            conflicts: read(&self.conflicts),
            held: read(&self.held),
            resolved: read(&self.resolved),
            fenced: read(&self.fenced),
            doubts: read(&self.doubts),
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
