//! A store, a log, and handlers whose runs can be counted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use headgate_events::{
    Consumer, Deliver, EmbeddedLog, Log, Message, Notice, NoticeClass, Notify, Parts, Publish,
    Published, Publisher, Registered, Results, Topics, consumer,
};
use headgate_idempotency::{
    Backoff, Context, Decorated, Event, Fault, Handler, Order, OsRandom, Place, Records, Settings,
    Terms, Transactional,
};
use headgate_store::Store;
use headgate_types::{Clock, Root, SpanId, TraceId};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::{Instant, interval};

use crate::clock::TokioClock;

pub(crate) const TOPIC: &str = "orders";
pub(crate) const KIND: &str = "order.placed.v1";
/// How long anything that should happen may take; a loaded machine is slow, not broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever is told of errors, who keeps them.
#[derive(Debug, Default)]
pub(crate) struct Told(pub(crate) Mutex<Vec<Notice>>);

impl Notify for Told {
    fn notify(&self, notice: &Notice) {
        self.0.lock().push(notice.clone());
    }
}

pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) parts: Parts,
    pub(crate) told: Arc<Told>,
    published: AtomicU64,
}

/// What a handler does with an event: `run` counts the runs of this event, from 1.
pub(crate) type Act = Arc<dyn Fn(&Event<Value>, u32) -> Result<(), Fault> + Send + Sync>;

/// A handler that keeps, for each partition key, the numbers that it was given, as state; and says
/// what became of its runs.
pub(crate) struct Probe {
    terms: Terms,
    act: Act,
    emits: Option<&'static str>,
    runs: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Handler for Probe {
    type Data = Value;
    type Output = Value;
    type Mode = Transactional;

    fn terms(&self) -> Terms {
        self.terms.clone()
    }

    async fn handle(
        &self,
        event: Event<Value>,
        cx: &mut Context<Transactional>,
    ) -> Result<Value, Fault> {
        let run = {
            let mut runs = self.runs.lock();
            let run = runs.entry(event.id.to_string()).or_default();
            *run += 1;
            *run
        };
        (self.act)(&event, run)?;
        let key = format!("{}/{}", self.terms.scope, event.partition_key);
        let mut seen = cx.state::<Vec<u64>>(&key).await?;
        seen.or_default().push(event.data["n"].as_u64().unwrap_or_default());
        cx.put(seen)?;
        if let Some(kind) = self.emits {
            let place = Place { topic: TOPIC, kind, key: None };
            cx.emit_to("next", &place, &event.data)?;
        }
        Ok(serde_json::json!({ "handled": event.data["n"] }))
    }
}

/// A handler that runs in a test, and how often it ran for each event.
#[derive(Clone)]
pub(crate) struct Probed {
    pub(crate) handler: Arc<dyn Deliver>,
    pub(crate) runs: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Probed {
    pub(crate) fn registered(&self) -> Registered {
        let name = Arc::clone(&self.handler.terms().scope);
        Registered { name, handler: Arc::clone(&self.handler) }
    }

    pub(crate) fn runs_of(&self, id: &str) -> u32 {
        self.runs.lock().get(id).copied().unwrap_or_default()
    }
}

/// What a test says of its handler.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) scope: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) order: Order,
    pub(crate) retry: Backoff,
    pub(crate) emits: Option<&'static str>,
}

impl Default for Wanted {
    fn default() -> Self {
        let (first, longest) = (Duration::from_millis(5), Duration::from_millis(40));
        Self {
            scope: "charge",
            kind: KIND,
            order: Order::Unordered,
            retry: Backoff { first, longest, factor: 2.0, attempts_max: 4 },
            emits: None,
        }
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, None)
    }

    /// The store in a folder, and a log other than its own.
    pub(crate) fn with_log(log: Arc<dyn Log>) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), Some(log))
    }

    fn in_folder(folder: tempfile::TempDir, log: Option<Arc<dyn Log>>) -> Self {
        let store = Store::open(folder.path(), &headgate_store::Settings::default()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
        let topics = Topics::default();
        let embedded = EmbeddedLog::new(store.clone(), topics.clone(), Arc::clone(&clock));
        let records = Records::new(
            Arc::new(store.clone()),
            Arc::clone(&clock),
            Arc::new(OsRandom),
            Settings::default(),
        );
        let told = Arc::new(Told::default());
        let parts = Parts {
            log: log.unwrap_or_else(|| Arc::new(embedded)),
            results: Some(Results::new(records.clone())),
            records,
            delays: Arc::new(store.clone()),
            clock,
            random: Arc::new(OsRandom),
            topics,
            notify: Arc::clone(&told) as Arc<dyn Notify>,
            series: None,
            relay: None,
            metrics: None,
        };
        Self { folder, store, parts, told, published: AtomicU64::new(0) }
    }

    /// Closes the store, as the end of the process does, and opens it again.
    pub(crate) fn reopen(self) -> Self {
        let Self { folder, store, parts, told, published } = self;
        drop((store, parts, told));
        let next = Self::in_folder(folder, None);
        next.published.store(published.into_inner(), Ordering::Relaxed);
        next
    }

    pub(crate) fn handler(
        &self,
        wanted: Wanted,
        act: impl Fn(&Event<Value>, u32) -> Result<(), Fault> + Send + Sync + 'static,
    ) -> Probed {
        let Wanted { scope, kind, order, retry, emits } = wanted;
        let mut terms = Terms::new(scope, TOPIC, kind);
        (terms.order, terms.retry) = (order, retry);
        let runs = Arc::default();
        let probe = Probe { terms, act: Arc::new(act), emits, runs: Arc::clone(&runs) };
        let decorated = Decorated::new(probe, self.parts.records.clone()).unwrap();
        Probed { handler: Arc::new(decorated), runs }
    }

    pub(crate) async fn start(&self, probed: &Probed) -> Consumer {
        self.start_with(probed, consumer::Settings::default()).await
    }

    pub(crate) async fn start_with(
        &self,
        probed: &Probed,
        settings: consumer::Settings,
    ) -> Consumer {
        let handler = Arc::clone(&probed.handler);
        Consumer::start(self.parts.clone(), handler, settings).await.unwrap()
    }

    /// An event of its own trace.
    pub(crate) fn event(&self, key: &str, number: u64) -> Event {
        let count = self.published.fetch_add(1, Ordering::Relaxed) + 1;
        let root = Root {
            id: format!("e-{count}").into(),
            source: "/hg/test".into(),
            kind: KIND.into(),
            partition_key: key.into(),
            time: "2030-01-01T00:00:00Z".parse().unwrap(),
            trace_id: TraceId::from_bytes(u128::from(count).to_be_bytes()).unwrap(),
            span_id: SpanId::from_bytes(count.to_be_bytes()).unwrap(),
        };
        Event::root(root, Bytes::from(serde_json::json!({ "n": number }).to_string()))
    }

    pub(crate) async fn publish(&self, event: Event) -> Published {
        let publisher = Publisher::new(self.parts.clone());
        let publish = Publish { topic: TOPIC.into(), event, owner: Some("me".into()), claim: None };
        publisher.publish(publish).await.unwrap()
    }

    /// Appends events as they are.
    pub(crate) async fn append(&self, events: impl IntoIterator<Item = Event>) {
        let message = |event| Message::event(&self.parts.topics, TOPIC, event);
        self.parts.log.append(events.into_iter().map(message).collect()).await.unwrap();
    }

    /// What a handler keeps of a partition key.
    pub(crate) fn seen(&self, scope: &str, key: &str) -> Vec<u64> {
        let key =
            headgate_store::Key::new(headgate_idempotency::STATE_SPACE, format!("{scope}/{key}"));
        let item = self.store.get(&key).unwrap();
        item.map(|item| serde_json::from_slice(&item.content.value).unwrap()).unwrap_or_default()
    }

    /// The entries of all partitions of a topic.
    pub(crate) async fn entries(&self, topic: &str) -> Vec<headgate_events::Entry> {
        let mut all = Vec::new();
        for partition in 0..self.parts.topics.partitions(topic) {
            all.extend(self.parts.log.read(topic, partition, 0, 1_000).await.unwrap());
        }
        all
    }

    /// Whether a group has settled everything.
    pub(crate) async fn is_settled(&self, group: &str) -> bool {
        let bounds = self.parts.log.bounds(TOPIC).await.unwrap().unwrap_or_default();
        let offsets = self.parts.log.offsets(group, TOPIC).await.unwrap();
        bounds.iter().zip(offsets).all(|(it, offset)| offset.unwrap_or_default() >= it.next)
    }

    pub(crate) async fn settled(&self, group: &str) {
        eventually("everything is settled", async || self.is_settled(group).await.then_some(()))
            .await;
    }

    pub(crate) fn notices(&self, class: NoticeClass) -> Vec<Notice> {
        let told = self.told.0.lock();
        told.iter().filter(|notice| notice.class == class).cloned().collect()
    }
}

/// Looks until something is found.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let ends = Instant::now() + PATIENCE;
    let mut looks = interval(Duration::from_millis(2));
    loop {
        looks.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < ends, "never came: {what}");
    }
}
