//! The relay of `DynamoDB`'s outbox, at each point at which it may stop.

#![expect(clippy::unwrap_used, reason = "helpers of a test are tests too")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use headgate_events::{
    Answer, EmbeddedLog, Log, LogError, Message, Place, Relay, Topics, relay,
    testing::{Before, Through},
};
use headgate_idempotency::{
    Store as _,
    dynamodb::{DynamoDb, SHARDS, Settings},
    testing::DynamoDbLocal,
};
use headgate_store::{Batch, Store};
use headgate_types::{Clock, Event, Moment, Root, SpanId, TraceId, UnixTime};
use tokio::time::timeout;

const TOPIC: &str = "orders";

/// A log that forgets to answer, or does not answer at all, so many times.
#[derive(Debug)]
struct Flaky {
    log: EmbeddedLog,
    answers_lost: AtomicU32,
    refusals: AtomicU32,
}

fn spend(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

impl Before for Flaky {
    fn behind(&self) -> &dyn Log {
        &self.log
    }

    fn appending(&self, messages: Vec<Message>) -> Answer<'_, Vec<Place>> {
        Box::pin(async {
            if spend(&self.refusals) {
                return Err(LogError::Unavailable("as told".to_owned()));
            }
            let places = self.log.append(messages).await?;
            if spend(&self.answers_lost) {
                return Err(LogError::InDoubt("as told".to_owned()));
            }
            Ok(places)
        })
    }
}

#[derive(Debug)]
struct RealClock(std::time::Duration);

impl Clock for RealClock {
    fn now(&self) -> Moment {
        Moment::default()
    }

    fn unix_time(&self) -> UnixTime {
        UnixTime::from_duration(self.0)
    }
}

struct World {
    table: DynamoDb,
    log: Arc<Through<Flaky>>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Option<Self> {
        let local = DynamoDbLocal::shared()?;
        let name = format!("t{:016x}", fastrand::u64(..));
        let table = DynamoDb::connect(Settings::local(local.endpoint(), name)).await.unwrap();
        table.create_table().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &headgate_store::Settings::default()).unwrap();
        let clock = Arc::new(RealClock(Duration::from_secs(1_700_000_000)));
        let log = EmbeddedLog::new(store, Topics::default(), clock);
        let log = Flaky { log, answers_lost: AtomicU32::new(0), refusals: AtomicU32::new(0) };
        Some(Self { table, log: Arc::new(Through(log)), _folder: folder })
    }

    /// As a process that shares the table, with its own clients.
    async fn relay(&self) -> (DynamoDb, Relay) {
        self.relay_with(relay::Settings {
            sweep_every: Duration::from_millis(20),
            grace: Duration::from_millis(100),
            ..relay::Settings::default()
        })
        .await
    }

    async fn relay_with(&self, settings: relay::Settings) -> (DynamoDb, Relay) {
        let table = DynamoDb::connect(self.table.settings().clone()).await.unwrap();
        let clock = Arc::new(RealClock(Duration::from_secs(1_700_000_000)));
        let log = Arc::clone(&self.log) as Arc<dyn Log>;
        let relay = Relay::start(table.clone(), log, clock, settings);
        (table, relay)
    }

    /// What the log has, by id, once it has so many.
    async fn logged(&self, count: usize) -> Vec<String> {
        let logged = async {
            loop {
                let found = self.read().await;
                if found.len() >= count {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), logged).await.expect("the log gets the events")
    }

    async fn read(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for partition in 0..8 {
            let entries = self.log.read(TOPIC, partition, 0, 100).await.unwrap();
            ids.extend(entries.iter().map(|entry| entry.event().unwrap().id.to_string()));
        }
        ids.sort_unstable();
        ids
    }

    async fn is_empty(&self) -> bool {
        let mut rows = 0;
        for shard in 0..SHARDS {
            rows += self.table.outbox(shard, 10).await.unwrap().len();
        }
        rows == 0
    }

    async fn empties(&self) {
        let empties = async {
            while !self.is_empty().await {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), empties).await.expect("the outbox empties");
    }
}

/// A commit that emits, as every one does.
fn commit(id: &str) -> Batch {
    let root = Root {
        id: id.into(),
        source: "/tests".into(),
        kind: "order.placed.v1".into(),
        partition_key: "k".into(),
        time: UnixTime::from_secs(1_700_000_000),
        trace_id: TraceId::from_bytes([7; 16]).unwrap(),
        span_id: SpanId::from_bytes([7; 8]).unwrap(),
    };
    let event = Event::root(root, Bytes::from_static(b"{}"));
    Batch::new().append(TOPIC, 3, event.time, event.encode().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_commit_emits_is_published_without_a_sweep() {
    let Some(world) = World::new().await else { return };
    let never = Duration::from_hours(1);
    let settings =
        relay::Settings { sweep_every: never, grace: never, ..relay::Settings::default() };
    let (table, relay) = world.relay_with(settings).await;
    table.commit(commit("a")).await.unwrap();
    assert_eq!(world.logged(1).await, ["a"]);
    world.empties().await;
    assert_eq!(relay.done().at_once, 1);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_process_has_committed_is_found_by_another_one() {
    let Some(world) = World::new().await else { return };
    world.table.commit(commit("a")).await.unwrap();
    let (_table, relay) = world.relay().await;
    assert_eq!(world.logged(1).await, ["a"]);
    world.empties().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_answer_was_lost_comes_again_with_its_id() {
    let Some(world) = World::new().await else { return };
    world.log.0.answers_lost.store(1, Ordering::Relaxed);
    let (table, relay) = world.relay().await;
    table.commit(commit("a")).await.unwrap();
    assert_eq!(world.logged(2).await, ["a", "a"]);
    world.empties().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_the_log_is_down() {
    let Some(world) = World::new().await else { return };
    world.log.0.refusals.store(3, Ordering::Relaxed);
    let (table, relay) = world.relay().await;
    table.commit(commit("a")).await.unwrap();
    assert_eq!(world.logged(1).await, ["a"]);
    world.empties().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_by_two_loses_nothing() {
    let Some(world) = World::new().await else { return };
    for n in 0..20 {
        world.table.commit(commit(&format!("{n:02}"))).await.unwrap();
    }
    let ((_a, first), (_b, second)) = (world.relay().await, world.relay().await);
    let mut logged = world.logged(20).await;
    world.empties().await;
    logged.dedup();
    assert_eq!(logged.len(), 20);
    let swept = (first.done().swept, second.done().swept);
    assert!(swept.0 == 0 || swept.1 == 0, "one sweeps at a time: {swept:?}");
    first.stop().await;
    second.stop().await;
}
