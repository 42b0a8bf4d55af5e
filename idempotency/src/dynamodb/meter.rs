//! What requests were sent and what they consumed.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// Capacity is added up in hundredths of a unit: DynamoDB tells halves.
const PARTS: f64 = 100.0;

/// What was sent and consumed since a client was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Consumed {
    /// Requests that were sent, also those that were refused or lost.
    pub requests: u64,
    /// Items that requests of their own wrote, or tried to.
    pub writes_alone: u64,
    /// Items that transactions wrote or checked, or tried to. Each costs twice.
    pub writes_together: u64,
    /// Read units of the answers that told them.
    pub read_units: f64,
    /// Write units of the answers that told them. A refusal does not tell what it consumed, which
    /// is what the write would have.
    pub write_units: f64,
}

#[derive(Debug, Default)]
pub(super) struct Meter {
    requests: AtomicU64,
    alone: AtomicU64,
    together: AtomicU64,
    read_parts: AtomicU64,
    write_parts: AtomicU64,
}

impl Meter {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A request that writes that many items.
    pub(super) fn write(&self, items: usize) {
        self.request();
        let sum = if items > 1 { &self.together } else { &self.alone };
        sum.fetch_add(items as u64, Ordering::Relaxed);
    }

    pub(super) fn read_units(&self, consumed: Option<&ConsumedCapacity>) {
        add(&self.read_parts, consumed.into_iter());
    }

    pub(super) fn write_units<'a>(&self, consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        add(&self.write_parts, consumed.into_iter());
    }

    pub(super) fn read(&self) -> Consumed {
        let units = |parts: &AtomicU64| parts.load(Ordering::Relaxed) as f64 / PARTS;
        Consumed {
            requests: self.requests.load(Ordering::Relaxed),
            writes_alone: self.alone.load(Ordering::Relaxed),
            writes_together: self.together.load(Ordering::Relaxed),
            read_units: units(&self.read_parts),
            write_units: units(&self.write_parts),
        }
    }
}

fn add<'a>(sum: &AtomicU64, consumed: impl Iterator<Item = &'a ConsumedCapacity>) {
    let units: f64 = consumed.filter_map(|consumed| consumed.capacity_units).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float that is out of range becomes the nearest number"
    )]
    sum.fetch_add((units * PARTS).round() as u64, Ordering::Relaxed);
}
