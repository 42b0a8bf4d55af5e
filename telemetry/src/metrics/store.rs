//! What the embedded store counts, taken over now and then.

use metrics::{Counter, Gauge};

use crate::{catalog, metrics::Metrics};

/// Counts what the embedded store counts itself.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    acknowledged: Counter,
    refused: Counter,
    groups: Counter,
    busy: Counter,
    waiting: Gauge,
    closed: Gauge,
}

/// What the embedded store has counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Batches written and acknowledged.
    pub acknowledged: u64,
    /// Batches refused.
    pub refused: u64,
    /// Groups synced.
    pub groups: u64,
    /// Batches that found the queue full.
    pub busy: u64,
    /// Batches that wait.
    pub waiting: usize,
    /// Whether it is closed.
    pub is_closed: bool,
}

impl Metrics {
    /// The handles of the embedded store.
    pub fn store(&self) -> StoreMetrics {
        StoreMetrics {
            acknowledged: self.counter(&catalog::STORE_ACKNOWLEDGED, &[]),
            refused: self.counter(&catalog::STORE_REFUSED, &[]),
            groups: self.counter(&catalog::STORE_GROUPS, &[]),
            busy: self.counter(&catalog::STORE_BUSY, &[]),
            waiting: self.gauge(&catalog::STORE_WAITING, &[]),
            closed: self.gauge(&catalog::STORE_CLOSED, &[]),
        }
    }
}

impl StoreMetrics {
    /// Takes over what the store has counted. The counts never go down.
    pub fn observe(&self, counts: StoreCounts) {
        self.acknowledged.absolute(counts.acknowledged);
        self.refused.absolute(counts.refused);
        self.groups.absolute(counts.groups);
        self.busy.absolute(counts.busy);
        self.waiting.set(counts.waiting as f64);
        self.closed.set(f64::from(u8::from(counts.is_closed)));
    }
}
