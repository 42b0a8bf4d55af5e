//! The verbs.

mod beat;
mod claim;
pub(crate) mod glance;
mod send;
mod settle;
mod stats;
mod waiting;
mod watch;

use std::sync::Arc;

use headgate_types::{Clock, Moment, UnixTime};
use parking_lot::Mutex;

use crate::{
    Recorded,
    claim::{Held, HeldAs},
    key::RecordKey,
    protocol::classify::{Look, held, recorded},
    random::Random,
    record::{Record, State},
    settings::Settings,
    store::{Store, StoreError},
    watermark::{Position, Watermark},
};
use stats::Counters;
pub use stats::Stats;
pub use waiting::{Waiting, WaitingPage};
use watch::Watch;

/// Idempotency records in a store. Clones are handles of the same ones.
#[derive(Clone, Debug)]
pub struct Records {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: Settings,
    watch: Mutex<Watch>,
    counters: Counters,
}

impl Records {
    /// Records in a store. The monotonic clock must run as tokio's timers do.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        settings: Settings,
    ) -> Self {
        let (watch, counters) = (Mutex::default(), Counters::default());
        Self { inner: Arc::new(Inner { store, clock, random, settings, watch, counters }) }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The store, for reads of state.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// What happened since these records were made.
    pub fn stats(&self) -> Stats {
        self.inner.counters.read()
    }

    /// The wall clock that records are judged by.
    pub fn unix_time(&self) -> UnixTime {
        self.inner.clock.unix_time()
    }

    /// The clock that lengths of time are measured by.
    pub(crate) fn now(&self) -> Moment {
        self.inner.clock.now()
    }

    /// What a key waits for a person for. None: it does not wait.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn held(&self, key: &RecordKey) -> Result<Option<Held>, StoreError> {
        let record = self.read(key).await?;
        Ok(record.and_then(|record| match record.state {
            State::Hold => Some(held(&record, HeldAs::InDoubt)),
            State::Park => Some(held(&record, HeldAs::Parked)),
            _ => None,
        }))
    }

    /// The outcome of a key, without a wish to work on it. None: it has none, or it has expired.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn outcome(&self, key: &RecordKey) -> Result<Option<Recorded>, StoreError> {
        let now = self.unix_time();
        let record = self.read(key).await?.filter(|record| !record.has_expired(now));
        let settled = |record: &Record| matches!(record.state, State::Done | State::Rejected);
        Ok(record.filter(settled).map(|record| recorded(&record)))
    }

    /// What a consumer group has settled of a partition. Costs one read; keep it and
    /// [advance](Watermark::advance) it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn watermark(&self, at: &Position) -> Result<Watermark, StoreError> {
        let offset = self.inner.store.offset(&at.group, &at.topic, at.partition).await?;
        Ok(Watermark::at(offset))
    }

    async fn read(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        let item = self.inner.store.get(key.item()).await?;
        item.map(|item| Record::read(key, &item)).transpose()
    }

    /// The times to judge a record by, which is looked at hereby.
    fn look(&self, key: &RecordKey, record: &Record) -> Look {
        let watched = match record.state {
            State::Run => self.inner.watch.lock().observe(key, record, self.inner.clock.now()),
            _ => std::time::Duration::ZERO,
        };
        Look { now: self.inner.clock.unix_time(), skew: self.inner.settings.skew, watched }
    }
}
