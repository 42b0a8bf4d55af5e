//! One store, its workers, and what can be counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use headgate_idempotency::{
    Answer, Decorated, Delivery, Event, Handler, Records, STATE_SPACE, Settings, Store, StoreError,
    Written,
    testing::{MemoryStore, SeededRandom},
};
use headgate_store::{Batch, Item, Key};
use headgate_types::{Clock, Moment, Root, SpanId, TraceId, UnixTime};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;

/// 2100-01-01T00:00:00Z.
const START: UnixTime = UnixTime::from_secs(4_102_444_800);

/// A clock that runs as tokio's does, which tests pause, and that can jump ahead of it.
#[derive(Debug)]
pub(crate) struct TokioClock {
    start: Instant,
    ahead: Mutex<Duration>,
}

impl TokioClock {
    /// What happens to a process that is stopped for a while.
    pub(crate) fn jump(&self, by: Duration) {
        *self.ahead.lock() += by;
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed() + *self.ahead.lock()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Moment {
        Moment::from(self.elapsed())
    }

    fn unix_time(&self) -> UnixTime {
        START + self.elapsed()
    }
}

/// A store in memory that counts what it is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountingStore {
    pub(crate) memory: MemoryStore,
    pub(crate) reads: Arc<AtomicU32>,
    pub(crate) commits: Arc<AtomicU32>,
    /// Commits that are refused for want of a store, from the next one on.
    pub(crate) down_for: Arc<AtomicU32>,
    pub(crate) reads_first: bool,
}

impl Store for CountingStore {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.memory.get(key)
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        let is_down = |left: u32| left.checked_sub(1);
        if self.down_for.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_down).is_ok() {
            return Box::pin(async { Err(StoreError::Unavailable("it is down".to_owned())) });
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.memory.commit(batch)
    }

    fn offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
    ) -> Answer<'a, Option<u64>> {
        self.memory.offset(group, topic, partition)
    }

    fn reads_first(&self) -> bool {
        self.reads_first
    }
}

/// A store, a clock, and the records of as many workers as a test likes.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) store: CountingStore,
    pub(crate) clock: Arc<TokioClock>,
    pub(crate) records: Records,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::over(CountingStore::default())
    }

    pub(crate) fn over(store: CountingStore) -> Self {
        let clock = Arc::new(TokioClock { start: Instant::now(), ahead: Mutex::default() });
        let random = Arc::new(SeededRandom::new(7));
        let (shared, settings) = (Arc::new(store.clone()), Settings::default());
        let records = Records::new(shared, Arc::clone(&clock) as Arc<dyn Clock>, random, settings);
        Self { store, clock, records }
    }

    pub(crate) fn decorate<H: Handler>(&self, handler: H) -> Decorated<H> {
        Decorated::new(handler, self.records.clone()).unwrap()
    }

    /// Reads and commits since it was asked last.
    pub(crate) fn asked(&self) -> (u32, u32) {
        let take = |counter: &AtomicU32| counter.swap(0, Ordering::Relaxed);
        (take(&self.store.reads), take(&self.store.commits))
    }

    /// The entries of all partitions of a topic.
    pub(crate) fn log(&self, topic: &str) -> Vec<Bytes> {
        let entries =
            |partition| self.store.memory.engine().read(topic, partition, 0, 1_000).unwrap();
        (0..8).flat_map(entries).map(|entry| entry.payload).collect()
    }

    pub(crate) fn events(&self, topic: &str) -> Vec<Event> {
        self.log(topic).iter().map(|payload| Event::decode(payload).unwrap()).collect()
    }

    /// What waits in a delay queue.
    pub(crate) fn delayed(&self, queue: &str) -> Vec<Delivery> {
        let far = UnixTime::from_secs(1 << 40);
        let due = self.store.memory.engine().due(queue, far, 1_000).unwrap();
        due.iter().map(|due| Delivery::from_delayed(queue, due).unwrap()).collect()
    }

    pub(crate) fn state(&self, key: &str) -> Option<Bytes> {
        let key = Key::new(STATE_SPACE, key.to_owned());
        self.store.memory.engine().get(&key).unwrap().map(|item| item.content.value)
    }
}

/// The data of the events.
#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) amount: u64,
}

pub(crate) fn event(data: &str) -> Event {
    let root = Root {
        id: "e-1".into(),
        source: "/hg/test/orders".into(),
        kind: "order.placed.v1".into(),
        partition_key: "customer-7".into(),
        time: START,
        trace_id: TraceId::from_bytes([7; 16]).unwrap(),
        span_id: SpanId::from_bytes([9; 8]).unwrap(),
    };
    Event::root(root, Bytes::copy_from_slice(data.as_bytes()))
}

/// The first delivery of an order.
pub(crate) fn order(id: &str, amount: u64) -> Delivery {
    Delivery::first(event(&format!(r#"{{"id":"{id}","amount":{amount}}}"#)))
}

/// The same one again.
pub(crate) fn again(delivery: &Delivery, attempt: u32) -> Delivery {
    Delivery { attempt, ..delivery.clone() }
}
