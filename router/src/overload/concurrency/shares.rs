//! Guaranteed shares of the limit: what is kept for a partition, and what it may take.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{Gate, Share, Waiter};

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) share: f64,
    pub(super) is_held: bool,
    pub(super) in_flight: AtomicU32,
    pub(super) peak: AtomicU32,
    /// Seats kept for it.
    pub(super) reserve: AtomicU32,
}

impl Partition {
    pub(super) fn new(share: &Share) -> Self {
        Self {
            share: share.guaranteed.as_f64(),
            is_held: share.is_held,
            in_flight: AtomicU32::new(0),
            peak: AtomicU32::new(0),
            reserve: AtomicU32::new(0),
        }
    }

    fn used(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn reserve(&self) -> u32 {
        self.reserve.load(Ordering::Relaxed)
    }
}

impl<W: Waiter> Gate<W> {
    /// Seats kept free for partitions that use less than what is reserved for them.
    pub(super) fn kept_for_others(&self, own: usize) -> u32 {
        let others = self.partitions.iter().enumerate().filter(|(index, _)| *index != own);
        others.map(|(_, partition)| partition.reserve().saturating_sub(partition.used())).sum()
    }

    /// Whether a partition uses less than its share and `more` seats.
    pub(super) fn has_guarantee_left(&self, partition: usize, more: f64) -> bool {
        let limit = f64::from(self.limit.load(Ordering::Relaxed));
        self.partitions.get(partition).is_some_and(|partition| {
            let used = f64::from(partition.used());
            partition.share > 0.0 && used < partition.share * limit + more
        })
    }

    /// Most seats in all while a held share is used up: beside those that the others hold at the
    /// moment. More than the limit only where that fell below what the others hold already, which
    /// must not lock out whom a share is held for. Zero where none is.
    pub(super) fn held_beyond(&self, own: usize) -> u32 {
        let Some(partition) = self.partitions.get(own).filter(|it| it.is_held) else { return 0 };
        self.seats.total().saturating_sub(partition.used()) + partition.reserve()
    }
}
