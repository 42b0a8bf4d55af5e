//! Consumers of a group on a broker that deals partitions anew, over a store that loses answers and
//! carries writes out late, in virtual time on one thread, by seed: consumers are killed, stopped
//! for a while and started, children are relayed now and then twice. In the end every event has had
//! its effect once, in order where that is asked. Bugs that are planted must be found.

mod bug;
mod late;
mod priorities;
mod wild;

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
    Body, Consumer, Deliver, Log, Message, Parts, Silent, Topic, Topics, consumer,
    testing::{Broker, Through},
};
use headgate_idempotency::{
    Backoff, Context, Decorated, Event, Fault, Handler, Keyed, KeyedEffects, Order, Place, Records,
    STATE_SPACE, Settings, Terms, Transactional,
    testing::{MemoryStore, SeededRandom},
};
use headgate_store::Key;
use headgate_types::{Class, Clock, Root, SpanId, TraceId, UnixTime};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use self::{
    bug::{Bug, Mutant},
    late::{Late, Stopped},
    wild::Wild,
};
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
/// How long a process is stopped at most: some leases.
const STOPPED_MILLIS_MAX: u64 = 2_000;
/// Seeds in which a bug must be found.
const SEEDS_OF_BUGS: u64 = 200;

type Chance = Arc<Mutex<fastrand::Rng>>;

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
    bug: Option<Bug>,
    parts: Parts,
    work: Work,
    is_paying: bool,
}

/// A process that consumes, and can be stopped.
struct Process {
    consumer: Consumer,
    stopped: Stopped,
}

/// What a world is.
#[derive(Clone, Copy, Debug)]
struct Kind {
    order: Order,
    is_paying: bool,
    bug: Option<Bug>,
}

impl World {
    fn new(seed: u64, kind: Kind) -> Self {
        let Kind { order, is_paying, bug } = kind;
        let chance: Chance = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        let is_calm = Arc::new(AtomicBool::new(false));
        let store = Wild {
            memory: MemoryStore::new(),
            chance: Arc::clone(&chance),
            is_calm: Arc::clone(&is_calm),
            stopped: Stopped::default(),
        };
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
        let random = Arc::new(SeededRandom::new(seed));
        let broker = Broker::new();
        let parts = Parts {
            log: Arc::new(broker.clone()),
            records: records(&store, bug, &clock, &random),
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
        Self { broker, store, bug, parts, work, is_paying }
    }

    /// A process of its own: when it is stopped, neither the store nor the broker hear of it.
    async fn start(&self) -> Process {
        let stopped = Stopped::default();
        let store = Wild { stopped: stopped.clone(), ..self.store.clone() };
        let random = Arc::new(SeededRandom::new(self.below(u64::MAX)));
        let records = records(&store, self.bug, &self.parts.clock, &random);
        let log = Through(Late { broker: self.broker.clone(), stopped: stopped.clone() });
        let parts = Parts {
            log: Arc::new(log),
            records: records.clone(),
            delays: Arc::new(store),
            random,
            ..self.parts.clone()
        };
        let work = self.work.clone();
        let handler: Arc<dyn Deliver> = if self.is_paying {
            Arc::new(Decorated::new(Paying(work), records).unwrap())
        } else {
            Arc::new(Decorated::new(Once(work), records).unwrap())
        };
        let drain = Duration::from_millis(50);
        let mut settings = consumer::Settings { drain, ..Default::default() };
        if self.bug.is_none() {
            // With so little room, most of what is read has to be read again.
            settings.buffered_max = 2;
            settings.ahead_max = usize::try_from(2 + self.below(30)).unwrap();
        }
        let consumer = Consumer::start(parts, handler, settings).await.unwrap();
        Process { consumer, stopped }
    }

    fn below(&self, bound: u64) -> u64 {
        self.store.chance.lock().u64(0..bound)
    }

    /// Publishes, deals partitions anew, stops and kills processes and starts others, for a while.
    async fn chaos(&self) -> Vec<Process> {
        let mut processes = vec![self.start().await, self.start().await, self.start().await];
        let ends = self.parts.clock.now() + CHAOS;
        let (mut number, mut relayed) = (1, BTreeMap::new());
        while self.parts.clock.now() < ends || number <= EACH {
            sleep(Duration::from_millis(self.below(60))).await;
            match self.below(7) {
                0 if number <= EACH => {
                    self.publish(number).await;
                    number += 1;
                }
                1 => self.broker.rebalance(false),
                2 => self.broker.rebalance(true),
                3 => {
                    let at = usize::try_from(self.below(3)).unwrap();
                    drop(processes.swap_remove(at));
                    processes.push(self.start().await);
                }
                4 => {
                    let at = usize::try_from(self.below(3)).unwrap();
                    let length = |most| Duration::from_millis(self.below(most));
                    processes[at].stopped.stop(length(STOPPED_MILLIS_MAX), length(100));
                    // Its partitions are others' by then, and it does not know.
                    self.broker.rebalance(true);
                }
                _ => self.relay(&mut relayed).await,
            }
        }
        processes
    }

    async fn publish(&self, number: u64) {
        let events = (0..KEYS).map(|key| {
            let mut event = event(key, number);
            if self.bug.is_none() {
                event.priority = Class::ALL[usize::try_from((key + number * number) % 4).unwrap()];
            }
            event
        });
        let message = |event| Message::event(&self.parts.topics, TOPIC, event);
        let messages: Vec<_> = events.map(message).collect();
        self.broker.append(messages.clone()).await.unwrap();
        if self.below(2) == 0 && self.work.terms.order == Order::Unordered {
            self.broker.append(messages).await.unwrap();
        }
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

    /// What is lost, doubled or out of order.
    fn judge(&self) -> Result<(), String> {
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
            let value = item.ok_or_else(|| format!("k{key} was lost"))?.content.value;
            let mut seen: Vec<u64> = serde_json::from_slice(&value).unwrap();
            if self.work.terms.order == Order::Unordered {
                seen.sort_unstable();
            }
            if seen != (1..=EACH).collect::<Vec<_>>() {
                return Err(format!("k{key} has seen {seen:?}"));
            }
            for number in 1..=EACH {
                let id = format!("e-{key}-{number}");
                if children.get(&id) != Some(&1) {
                    return Err(format!("{id} has {:?} children", children.get(&id)));
                }
            }
        }
        if let Some((name, keys)) = self.work.ledger.lock().iter().find(|(_, keys)| keys.len() > 1)
        {
            return Err(format!("effect {name} has the keys {keys:?}"));
        }
        match self.store.memory.engine().log("hg.dlq.charge", 0).unwrap() {
            Some(_) => Err("an event was given up".to_owned()),
            None => Ok(()),
        }
    }
}

fn records(
    store: &Wild,
    bug: Option<Bug>,
    clock: &Arc<dyn Clock>,
    random: &Arc<SeededRandom>,
) -> Records {
    let settings = Settings { lease: Duration::from_secs(3), ..Settings::default() };
    let store = Arc::new(Mutant { store: store.clone(), bug });
    Records::new(store, Arc::clone(clock), Arc::<SeededRandom>::clone(random), settings)
}

/// One run of a world.
async fn simulate(seed: u64, kind: Kind) -> Result<(), String> {
    let world = World::new(seed, kind);
    world.broker.ensure(&[Topic::new(TOPIC)]).await.unwrap();
    let processes = world.chaos().await;
    world.work.is_calm.store(true, Relaxed);
    let settled = async {
        while !world.is_settled().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(AFTER, settled).await.is_err() {
        let mut all = Vec::new();
        for process in &processes {
            all.push(process.consumer.handle().status().await);
        }
        let offsets = world.broker.offsets("charge", TOPIC).await;
        return Err(format!("never settled: {offsets:?} {all:#?}"));
    }
    let judged = world.judge();
    for process in processes {
        process.consumer.stop().await;
    }
    judged
}

fn run(seed: u64, kind: Kind) -> Result<(), String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let found = runtime.block_on(simulate(seed, kind));
    found.map_err(|found| format!("seed {seed}, {kind:?}: {found}"))
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
        run(seed, Kind { order, is_paying, bug: None }).unwrap_or_else(|found| panic!("{found}"));
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

#[test]
fn every_bug_is_found() {
    for bug in Bug::ALL {
        let kind = Kind { order: Order::PerKey, is_paying: false, bug: Some(bug) };
        let seeds = (0..SEEDS_OF_BUGS).map(|seed| (bug.first_seed() + seed) % SEEDS_OF_BUGS);
        let found = seeds.into_iter().find_map(|seed| run(seed, kind).err());
        assert!(found.is_some(), "{bug:?} was not found");
    }
}
