//! A process that handles events and is killed again and again, while its effects are counted by
//! another one: none is lost and none is had twice, and what handlers emit is there once.

#![expect(clippy::unwrap_used, reason = "a test without the harness is no test to clippy")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use headgate_events::{Consumer, Deliver, EmbeddedLog, Message, Parts, Silent, Topics, consumer};
use headgate_idempotency::{
    Context, Decorated, Event, Fault, Handler, Keyed, KeyedEffects, OsRandom, Place, Records,
    STATE_SPACE, Settings, Terms, Transactional, Tx,
};
use headgate_store::{Key, Store};
use headgate_types::{Clock, Moment, Root, SpanId, TraceId, UnixTime};
use tokio::time::{Instant, interval};

const TOPIC: &str = "orders";
const PLACED: &str = "order.placed.v1";
const CHARGED: &str = "order.charged.v1";
const EVENTS: u64 = 2_000;
const KEYS: u64 = 200;
const KILLS_MIN: u32 = 5;
/// Above it something hangs.
const STARTS_MAX: u32 = 200;
const LEASE: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, folder, port] = arguments.as_slice()
        && role == "worker"
    {
        let port = port.parse().expect("a port");
        return run(work(Path::new(folder), port));
    }
    // Whatever runs tests asks what there is, or for some by their names.
    let is_asked = arguments.iter().any(|argument| argument == "--list");
    let name = "effects_are_once_although_the_process_is_killed";
    let names: Vec<_> = arguments.iter().skip(1).filter(|it| !it.starts_with('-')).collect();
    if is_asked || !(names.is_empty() || names.iter().any(|it| name.contains(it.as_str()))) {
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path());
    let effects = Effects::default();
    let port = ledger(&effects);
    let mut kills = 0;
    for start in 0.. {
        assert!(start < STARTS_MAX, "it never ends");
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .arg("worker")
            .arg(folder.path())
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let until = effects.lock().unwrap().len() + 50 + fastrand::usize(..150);
        let mut ended = None;
        while ended.is_none() && effects.lock().unwrap().len() < until {
            thread::sleep(LOOK);
            ended = worker.try_wait().unwrap();
        }
        if ended.is_some_and(|status| status.success()) {
            break;
        }
        worker.kill().unwrap();
        worker.wait().unwrap();
        kills += 1;
    }
    judge(folder.path(), &effects.lock().unwrap());
    assert!(kills >= KILLS_MIN, "killed only {kills} times");
    ExitCode::SUCCESS
}

/// Time between two looks at how far the worker is.
const LOOK: Duration = Duration::from_millis(2);

/// Effects by what they are of: the keys that they were carried out under.
type Effects = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// Carries effects out, each key once, as a service that honors keys.
fn ledger(effects: &Effects) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let effects = Arc::clone(effects);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let effects = Arc::clone(&effects);
            thread::spawn(move || {
                let mut answers = stream.try_clone().unwrap();
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let (name, key) = line.split_once(' ').unwrap();
                    let mut effects = effects.lock().unwrap();
                    let keys = effects.entry(name.to_owned()).or_default();
                    if !keys.iter().any(|known| known == key) {
                        keys.push(key.to_owned());
                    }
                    drop(effects);
                    // A worker that was killed does not hear it.
                    if answers.write_all(b"ok\n").is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all();
    runtime.build().unwrap().block_on(future)
}

#[derive(Debug)]
struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Moment {
        self.0.elapsed().into()
    }

    #[expect(clippy::disallowed_methods, reason = "a process has one clock; this is it")]
    fn unix_time(&self) -> UnixTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        UnixTime::from_duration(since.unwrap_or_default())
    }
}

fn parts(folder: &Path) -> (Store, Parts) {
    let store = Store::open(folder, &headgate_store::Settings::default()).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(RealClock(Instant::now()));
    let topics = Topics::default();
    let log = EmbeddedLog::new(store.clone(), topics.clone(), Arc::clone(&clock));
    let settings =
        Settings { lease: LEASE, skew: Duration::from_millis(20), ..Settings::default() };
    let records =
        Records::new(Arc::new(store.clone()), Arc::clone(&clock), Arc::new(OsRandom), settings);
    let parts = Parts {
        log: Arc::new(log),
        records,
        delays: Arc::new(store.clone()),
        clock,
        random: Arc::new(OsRandom),
        topics,
        notify: Arc::new(Silent),
        results: None,
        series: None,
        relay: None,
        metrics: None,
    };
    (store, parts)
}

fn publish(folder: &Path) {
    run(async {
        let (_store, parts) = parts(folder);
        let event = |number: u64| {
            let root = Root {
                id: format!("e-{number}").into(),
                source: "/hg/test".into(),
                kind: PLACED.into(),
                partition_key: format!("k{}", number % KEYS).into(),
                time: UnixTime::from_secs(1_893_456_000),
                trace_id: TraceId::from_bytes(u128::from(number + 1).to_be_bytes()).unwrap(),
                span_id: SpanId::from_bytes([1; 8]).unwrap(),
            };
            Event::root(root, Bytes::from(number.to_string()))
        };
        // Every tenth comes twice.
        let events = (0..EVENTS).flat_map(|number| {
            std::iter::repeat_n(number, if number.is_multiple_of(10) { 2 } else { 1 })
        });
        let message = |number| Message::event(&parts.topics, TOPIC, event(number));
        parts.log.append(events.map(message).collect()).await.unwrap();
    });
}

/// Charges by a service that honors keys, and says so.
struct Charge(tokio::sync::Mutex<tokio::net::TcpStream>);

impl Handler for Charge {
    type Data = u64;
    type Output = u64;
    type Mode = KeyedEffects;

    fn terms(&self) -> Terms {
        let mut terms = Terms::new("charge", TOPIC, PLACED);
        terms.lease = LEASE;
        terms
    }

    async fn handle(&self, event: Event<u64>, cx: &mut Keyed) -> Result<u64, Fault> {
        let call = |key: String| async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut line = self.0.lock().await;
            line.write_all(format!("{} {key}\n", event.data).as_bytes())
                .await
                .map_err(Fault::in_doubt)?;
            let mut answer = [0; 3];
            line.read_exact(&mut answer).await.map_err(Fault::in_doubt)?;
            Ok(())
        };
        cx.effect("charge", call).await?;
        cx.emit_to("charged", &Place { topic: TOPIC, kind: CHARGED, key: None }, &event.data)?;
        Ok(event.data)
    }
}

/// Keeps what was charged, by partition key.
struct Ship;

impl Handler for Ship {
    type Data = u64;
    type Output = u64;
    type Mode = Transactional;

    fn terms(&self) -> Terms {
        Terms::new("ship", TOPIC, CHARGED)
    }

    async fn handle(
        &self,
        event: Event<u64>,
        cx: &mut Context<Transactional>,
    ) -> Result<u64, Fault> {
        shipped(event, cx).await
    }
}

async fn shipped(event: Event<u64>, cx: &mut Tx) -> Result<u64, Fault> {
    let mut shipped = cx.state::<Vec<u64>>(&*event.partition_key).await?;
    shipped.or_default().push(event.data);
    cx.put(shipped)?;
    Ok(event.data)
}

/// Handles what is left, and ends well once nothing is.
async fn work(folder: &Path, port: u16) -> ExitCode {
    // Whoever started this is gone when the input ends.
    thread::spawn(|| {
        let mut nothing = String::new();
        if std::io::stdin().read_line(&mut nothing).is_ok() {
            std::process::abort();
        }
    });
    let (_store, parts) = parts(folder);
    let line = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let charge = Charge(tokio::sync::Mutex::new(line));
    let charge: Arc<dyn Deliver> = Arc::new(Decorated::new(charge, parts.records.clone()).unwrap());
    let ship: Arc<dyn Deliver> = Arc::new(Decorated::new(Ship, parts.records.clone()).unwrap());
    for handler in [charge, ship] {
        let started = Consumer::start(parts.clone(), handler, consumer::Settings::default());
        let consumer = started.await.unwrap();
        tokio::spawn(async move {
            let _consumer = consumer;
            std::future::pending::<()>().await;
        });
    }
    let mut looks = interval(Duration::from_millis(5));
    loop {
        looks.tick().await;
        // The first one first: what it emits is there before its offset moves.
        if is_settled(&parts, "charge").await && is_settled(&parts, "ship").await {
            return ExitCode::SUCCESS;
        }
    }
}

async fn is_settled(parts: &Parts, group: &str) -> bool {
    let far = UnixTime::from_secs(1 << 40);
    let bounds = parts.log.bounds(TOPIC).await.unwrap().unwrap();
    let offsets = parts.log.offsets(group, TOPIC).await.unwrap();
    let is_read = bounds.iter().zip(offsets).all(|(it, offset)| offset.unwrap_or(0) >= it.next);
    is_read && parts.delays.due(group, far, 1).await.unwrap().is_empty()
}

fn judge(folder: &Path, effects: &BTreeMap<String, Vec<String>>) {
    run(async {
        let (store, parts) = parts(folder);
        let mut children: BTreeMap<u64, u64> = BTreeMap::new();
        for partition in 0..parts.topics.partitions(TOPIC) {
            let mut from = 0;
            loop {
                let entries = parts.log.read(TOPIC, partition, from, 1_000).await.unwrap();
                let Some(last) = entries.last() else { break };
                from = last.offset + 1;
                for event in entries.iter().map(|entry| entry.event().unwrap()) {
                    if *event.kind == *CHARGED {
                        let number: u64 = serde_json::from_slice(&event.data).unwrap();
                        *children.entry(number).or_default() += 1;
                    }
                }
            }
        }
        let mut shipped: Vec<u64> = Vec::new();
        for key in 0..KEYS {
            let item = store.get(&Key::new(STATE_SPACE, format!("k{key}"))).unwrap();
            let value = item.expect("each key has its state").content.value;
            shipped.extend(serde_json::from_slice::<Vec<u64>>(&value).unwrap());
        }
        shipped.sort_unstable();
        assert_eq!(shipped, (0..EVENTS).collect::<Vec<_>>(), "each is shipped once");
        for number in 0..EVENTS {
            let keys = effects.get(&number.to_string());
            assert_eq!(keys.map(Vec::len), Some(1), "event {number} is charged once: {keys:?}");
            assert_eq!(children.get(&number), Some(&1), "event {number} has one child");
        }
    });
}
