//! Consumers of a group on a broker that deals partitions anew, over a store that loses answers, in
//! virtual time on one thread, by seed: consumers are killed and started, children are relayed now
//! and then twice. In the end every event has had its effect once, in order where that is asked.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use headgate_events::{
    Body, Consumer, Delays, Deliver, Log, Message, Parts, Silent, Topic, Topics, consumer,
    testing::Broker,
};
use headgate_idempotency::{
    Answer, Backoff, Context, Decorated, Event, Fault, Handler, Keyed, KeyedEffects, Order, Place,
    Records, STATE_SPACE, Settings, Store, StoreError, Terms, Transactional, Written,
    testing::{MemoryStore, SeededRandom},
};
use headgate_store::{Batch, Due, Item, Key};
use headgate_types::{Clock, Root, SpanId, TraceId, UnixTime};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use crate::{
    bench::{KIND, TOPIC},
    clock::TokioClock,
};

/// More by `HEADGATE_SIM_SEEDS`.
const SEEDS: u64 = 6;
const SEEDS_MAX: u64 = 4_096;
const KEYS: u64 = 12;
const EACH: u64 = 8;
const CHILD: &str = "order.charged.v1";
/// Chaos ends by then, and everything has to be settled a while later.
const CHAOS: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_mins(20);

type Chance = Arc<Mutex<fastrand::Rng>>;

/// A store in memory that is slow, down, or does not answer, until it is calm.
#[derive(Clone, Debug)]
struct Wild {
    memory: MemoryStore,
    chance: Chance,
    is_calm: Arc<AtomicBool>,
}

impl Wild {
    /// Whether this call goes wrong, and whether it is carried out all the same.
    async fn fate(&self) -> (Option<StoreError>, bool) {
        let (wait, dice) = {
            let mut chance = self.chance.lock();
            (chance.u64(0..4_000), chance.u8(..))
        };
        sleep(Duration::from_micros(wait)).await;
        if self.is_calm.load(Relaxed) {
            return (None, true);
        }
        let in_doubt = || Some(StoreError::InDoubt("no answer came".to_owned()));
        match dice {
            0..4 => (Some(StoreError::Unavailable("no route".to_owned())), false),
            4..8 => (in_doubt(), false),
            8..14 => (in_doubt(), true),
            _ => (None, true),
        }
    }
}

impl Store for Wild {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        Box::pin(async move {
            match self.fate().await.0 {
                Some(_) => Err(StoreError::Unavailable("no answer came".to_owned())),
                None => Store::get(&self.memory, key).await,
            }
        })
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        Box::pin(async move {
            let (error, is_carried_out) = self.fate().await;
            let written = if is_carried_out {
                Store::commit(&self.memory, batch).await
            } else {
                Err(StoreError::Busy)
            };
            match error {
                Some(error) => Err(error),
                None => written,
            }
        })
    }

    fn offset<'a>(&'a self, group: &'a str, topic: &'a str, at: u32) -> Answer<'a, Option<u64>> {
        self.memory.offset(group, topic, at)
    }
}

impl Delays for Wild {
    fn due<'a>(&'a self, queue: &'a str, now: UnixTime, rows: usize) -> Answer<'a, Vec<Due>> {
        Box::pin(async move {
            if self.fate().await.0.is_some() {
                return Err(StoreError::Unavailable("no answer came".to_owned()));
            }
            let found = self.memory.engine().due(queue, now, rows);
            found.map_err(|error| StoreError::Unavailable(error.to_string()))
        })
    }

    fn poll_every(&self) -> Duration {
        Duration::from_millis(500)
    }
}

/// What a handler does, and fails to do, in each mode.
#[derive(Clone)]
struct Work {
    terms: Terms,
    chance: Chance,
    is_calm: Arc<AtomicBool>,
    /// Effects by event and key.
    ledger: Arc<Mutex<BTreeMap<u64, Vec<String>>>>,
}

impl Work {
    fn fault(&self) -> Result<(), Fault> {
        let dice = self.chance.lock().u8(..);
        match dice {
            _ if self.is_calm.load(Relaxed) => Ok(()),
            0..12 => Err(Fault::retry("flaky")),
            12..16 => Err(Fault::dependency("psp", "down")),
            _ => Ok(()),
        }
    }

    async fn handle<M>(&self, event: &Event<u64>, cx: &mut Context<M>) -> Result<u64, Fault> {
        let wait = self.chance.lock().u64(0..3_000);
        sleep(Duration::from_micros(wait)).await;
        self.fault()?;
        let mut seen = cx.state::<Vec<u64>>(&*event.partition_key).await?;
        seen.or_default().push(event.data);
        cx.put(seen)?;
        cx.emit_to("charged", &Place { topic: TOPIC, kind: CHILD, key: None }, &event.data)?;
        Ok(event.data)
    }
}

struct Once(Work);

impl Handler for Once {
    type Data = u64;
    type Output = u64;
    type Mode = Transactional;

    fn terms(&self) -> Terms {
        self.0.terms.clone()
    }

    async fn handle(
        &self,
        event: Event<u64>,
        cx: &mut Context<Transactional>,
    ) -> Result<u64, Fault> {
        self.0.handle(&event, cx).await
    }
}

struct Paying(Work);

impl Handler for Paying {
    type Data = u64;
    type Output = u64;
    type Mode = KeyedEffects;

    fn terms(&self) -> Terms {
        self.0.terms.clone()
    }

    async fn handle(&self, event: Event<u64>, cx: &mut Keyed) -> Result<u64, Fault> {
        let name = event.data + 1_000 * key_number(&event.partition_key);
        let call = |key: String| async move {
            let mut ledger = self.0.ledger.lock();
            let keys = ledger.entry(name).or_default();
            if !keys.contains(&key) {
                keys.push(key);
            }
            Ok(())
        };
        cx.effect("pay", call).await?;
        self.0.handle(&event, cx).await
    }
}

fn key_number(key: &str) -> u64 {
    key.trim_start_matches('k').parse().expect("keys are numbered")
}

fn event(key: u64, number: u64) -> Event {
    let root = Root {
        id: format!("e-{key}-{number}").into(),
        source: "/hg/test".into(),
        kind: KIND.into(),
        partition_key: format!("k{key}").into(),
        time: UnixTime::from_secs(1_893_456_000),
        trace_id: TraceId::from_bytes(u128::from(key * 1_000 + number).to_be_bytes()).unwrap(),
        span_id: SpanId::from_bytes([1; 8]).unwrap(),
    };
    Event::root(root, Bytes::from(number.to_string()))
}

struct World {
    broker: Broker,
    store: Wild,
    parts: Parts,
    handler: Arc<dyn Deliver>,
    work: Work,
}

impl World {
    fn new(seed: u64, order: Order, is_paying: bool) -> Self {
        let chance: Chance = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        let is_calm = Arc::new(AtomicBool::new(false));
        let store = Wild {
            memory: MemoryStore::new(),
            chance: Arc::clone(&chance),
            is_calm: Arc::clone(&is_calm),
        };
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
        let random = Arc::new(SeededRandom::new(seed));
        let settings = Settings { lease: Duration::from_secs(3), ..Settings::default() };
        let shared = Arc::new(store.clone());
        let records = Records::new(shared, Arc::clone(&clock), random.clone(), settings);
        let broker = Broker::new();
        let parts = Parts {
            log: Arc::new(broker.clone()),
            records: records.clone(),
            delays: Arc::new(store.clone()),
            clock,
            random,
            topics: Topics::default(),
            notify: Arc::new(Silent),
            results: None,
            series: None,
            relay: None,
            metrics: None,
        };
        let mut terms = Terms::new("charge", TOPIC, KIND);
        (terms.order, terms.lease) = (order, Duration::from_secs(3));
        let (first, longest) = (Duration::from_millis(20), Duration::from_secs(1));
        terms.retry = Backoff { first, longest, factor: 2.0, attempts_max: 1_000 };
        let work = Work { terms, chance, is_calm, ledger: Arc::default() };
        let handler: Arc<dyn Deliver> = if is_paying {
            Arc::new(Decorated::new(Paying(work.clone()), records).unwrap())
        } else {
            Arc::new(Decorated::new(Once(work.clone()), records).unwrap())
        };
        Self { broker, store, parts, handler, work }
    }

    async fn start(&self) -> Consumer {
        let settings =
            consumer::Settings { drain: Duration::from_millis(50), ..Default::default() };
        Consumer::start(self.parts.clone(), Arc::clone(&self.handler), settings).await.unwrap()
    }

    fn below(&self, bound: u64) -> u64 {
        self.store.chance.lock().u64(0..bound)
    }

    /// Publishes, deals partitions anew, kills consumers and starts others, for a while.
    async fn chaos(&self) -> Vec<Consumer> {
        let mut consumers = vec![self.start().await, self.start().await, self.start().await];
        let ends = self.parts.clock.now() + CHAOS;
        let (mut number, mut relayed) = (1, BTreeMap::new());
        while self.parts.clock.now() < ends || number <= EACH {
            sleep(Duration::from_millis(self.below(60))).await;
            match self.below(6) {
                0 if number <= EACH => {
                    let events = (0..KEYS).map(|key| event(key, number));
                    let message = |event| Message::event(&self.parts.topics, TOPIC, event);
                    let messages: Vec<_> = events.map(message).collect();
                    self.broker.append(messages.clone()).await.unwrap();
                    if self.below(2) == 0 && self.work.terms.order == Order::Unordered {
                        self.broker.append(messages).await.unwrap();
                    }
                    number += 1;
                }
                1 => self.broker.rebalance(false),
                2 => self.broker.rebalance(true),
                3 => {
                    let at = usize::try_from(self.below(3)).unwrap();
                    drop(consumers.swap_remove(at));
                    consumers.push(self.start().await);
                }
                _ => self.relay(&mut relayed).await,
            }
        }
        consumers
    }

    /// Carries what handlers emitted on to the broker; what comes again has the same id.
    async fn relay(&self, relayed: &mut BTreeMap<u32, u64>) {
        for partition in 0..self.parts.topics.partitions(TOPIC) {
            let from = relayed.entry(partition).or_default();
            let found = self.store.memory.engine().read(TOPIC, partition, *from, 100).unwrap();
            for entry in found {
                let message = Message::from_payload(TOPIC, partition, entry.time, entry.payload);
                assert!(matches!(message.body, Body::Event(_)), "what is emitted is an event");
                self.broker.append(vec![message]).await.unwrap();
                if self.below(8) > 0 {
                    *from = entry.offset + 1;
                }
            }
        }
    }

    async fn is_settled(&self) -> bool {
        let far = UnixTime::from_secs(1 << 40);
        let engine = self.store.memory.engine();
        let queues = ["charge", "charge#keys"];
        let is_empty = queues.iter().all(|queue| engine.due(queue, far, 1).unwrap().is_empty());
        let bounds = self.broker.bounds(TOPIC).await.unwrap().unwrap();
        let offsets = self.broker.offsets("charge", TOPIC).await.unwrap();
        let is_read =
            |(it, offset): (&headgate_events::Bounds, Option<u64>)| offset.unwrap_or(0) >= it.next;
        is_empty && bounds.iter().zip(offsets).all(is_read)
    }

    fn judge(&self, told: &str) {
        let mut children: BTreeMap<String, u64> = BTreeMap::new();
        for partition in 0..self.parts.topics.partitions(TOPIC) {
            // The store's own log: what was committed, before it is relayed.
            for entry in self.store.memory.engine().read(TOPIC, partition, 0, 10_000).unwrap() {
                let event = Event::decode(&entry.payload).unwrap();
                *children.entry(event.causation_id.unwrap().to_string()).or_default() += 1;
            }
        }
        for key in 0..KEYS {
            let state = Key::new(STATE_SPACE, format!("k{key}"));
            let item = self.store.memory.engine().get(&state).unwrap();
            let value = item.unwrap_or_else(|| panic!("{told}: k{key} was lost")).content.value;
            let mut seen: Vec<u64> = serde_json::from_slice(&value).unwrap();
            if self.work.terms.order == Order::Unordered {
                seen.sort_unstable();
            }
            assert_eq!(seen, (1..=EACH).collect::<Vec<_>>(), "{told}: k{key}");
            for number in 1..=EACH {
                let id = format!("e-{key}-{number}");
                assert_eq!(children.get(&id), Some(&1), "{told}: {id} has one child");
            }
        }
        for (name, keys) in &*self.work.ledger.lock() {
            assert_eq!(keys.len(), 1, "{told}: effect {name} under {keys:?}");
        }
        let letters = self.store.memory.engine().log("hg.dlq.charge", 0).unwrap();
        assert!(letters.is_none(), "{told}: nothing is given up");
    }
}

/// One run of a world.
async fn simulate(seed: u64, order: Order, is_paying: bool) {
    let told = format!("seed {seed}, {order:?}, paying: {is_paying}");
    let world = World::new(seed, order, is_paying);
    world.broker.ensure(&[Topic::new(TOPIC)]).await.unwrap();
    let consumers = world.chaos().await;
    world.work.is_calm.store(true, Relaxed);
    let settled = async {
        while !world.is_settled().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(AFTER, settled).await.is_err() {
        let mut all = Vec::new();
        for consumer in &consumers {
            all.push(consumer.handle().status().await);
        }
        let offsets = world.broker.offsets("charge", TOPIC).await;
        panic!("{told}: never settled: {offsets:?} {all:#?}");
    }
    world.judge(&told);
    for consumer in consumers {
        consumer.stop().await;
    }
}

fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|value: String| value.parse().ok());
    match number("HEADGATE_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("HEADGATE_SIM_SEEDS").unwrap_or(SEEDS).min(SEEDS_MAX)).collect(),
    }
}

fn all(order: Order, is_paying: bool) {
    for seed in seeds() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(simulate(seed, order, is_paying));
    }
}

#[test]
fn state_and_children_are_once_whatever_happens() {
    all(Order::Unordered, false);
}

#[test]
fn keys_stay_in_order_whatever_happens() {
    all(Order::PerKey, false);
}

#[test]
fn effects_under_keys_are_once_whatever_happens() {
    all(Order::Unordered, true);
}
