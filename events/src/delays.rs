//! Delay queues as they are read. They are written by the commits of the store.

use std::{fmt, future::ready, time::Duration};

use headgate_idempotency::{Answer, StoreError};
use headgate_store::{Due, Store};
use headgate_types::UnixTime;

/// A time behind every other.
pub(crate) const FAR: UnixTime = UnixTime::from_secs(1 << 40);
/// A read from memory, for what another part of the process put there without a word.
const EMBEDDED: Duration = Duration::from_millis(500);
/// Sixteen requests each time.
#[cfg(feature = "dynamodb")]
const DYNAMODB: Duration = Duration::from_secs(1);

/// Delay queues as they are read.
pub trait Delays: fmt::Debug + Send + Sync + 'static {
    /// Entries of a queue that are due, the longest due first.
    fn due<'a>(&'a self, queue: &'a str, now: UnixTime, rows: usize) -> Answer<'a, Vec<Due>>;

    /// How often somebody looks who was told nothing.
    fn poll_every(&self) -> Duration;
}

impl Delays for Store {
    fn due<'a>(&'a self, queue: &'a str, now: UnixTime, rows: usize) -> Answer<'a, Vec<Due>> {
        let found = Self::due(self, queue, now, rows);
        Box::pin(ready(found.map_err(|error| StoreError::Unavailable(error.to_string()))))
    }

    fn poll_every(&self) -> Duration {
        EMBEDDED
    }
}

#[cfg(feature = "dynamodb")]
impl Delays for headgate_idempotency::DynamoDb {
    fn due<'a>(&'a self, queue: &'a str, now: UnixTime, rows: usize) -> Answer<'a, Vec<Due>> {
        Box::pin(Self::due(self, queue, now, rows))
    }

    fn poll_every(&self) -> Duration {
        DYNAMODB
    }
}
