//! What requests were sent and what they consumed.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::types::ConsumedCapacity;
use tokio::time::Instant;

use super::failure::Failure;
use crate::store::StoreError;

/// Capacity is added up in hundredths of a unit: DynamoDB tells halves.
const PARTS: f64 = 100.0;

/// What was sent and consumed since a client was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Consumed {
    /// Requests that were sent, also those that were refused or lost.
    pub requests: u64,
    /// Of them, those that were sent again, because the one before was refused for a while or its
    /// answer was lost.
    pub retries: u64,
    /// Of them, those that DynamoDB put off: too many at once, or another one on the same item.
    pub throttled: u64,
    /// Of them, those whose answer did not come.
    pub lost: u64,
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

/// Called with the time that each request took, answered or not.
pub type Observe = Arc<dyn Fn(Duration) + Send + Sync>;

#[derive(Default)]
pub(super) struct Meter {
    observe: OnceLock<Observe>,
    requests: AtomicU64,
    retries: AtomicU64,
    throttled: AtomicU64,
    lost: AtomicU64,
    alone: AtomicU64,
    together: AtomicU64,
    read_parts: AtomicU64,
    write_parts: AtomicU64,
}

/// Without the function, which has no form.
impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

/// A request that is under way.
#[must_use = "a request that is not ended has no duration"]
pub(super) struct Begun<'a> {
    meter: &'a Meter,
    at: Instant,
}

impl Begun<'_> {
    /// Notes how the request ended.
    pub(super) fn ended<T>(self, answer: Result<T, Failure>) -> Result<T, Failure> {
        if let Some(observe) = self.meter.observe.get() {
            observe(self.at.elapsed());
        }
        let sum = match &answer {
            Err(Failure::Again(StoreError::Busy)) => &self.meter.throttled,
            Err(Failure::Lost(_)) => &self.meter.lost,
            _ => return answer,
        };
        sum.fetch_add(1, Ordering::Relaxed);
        answer
    }
}

impl Meter {
    /// Whom to tell of each request's time. The first one is told.
    pub(super) fn tell(&self, observe: Observe) {
        // A second one would see a part of the requests only.
        drop(self.observe.set(observe));
    }

    pub(super) fn request(&self) -> Begun<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Begun { meter: self, at: Instant::now() }
    }

    /// A request that writes that many items.
    pub(super) fn write(&self, items: usize) -> Begun<'_> {
        let sum = if items > 1 { &self.together } else { &self.alone };
        sum.fetch_add(items as u64, Ordering::Relaxed);
        self.request()
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
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
            retries: self.retries.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
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
