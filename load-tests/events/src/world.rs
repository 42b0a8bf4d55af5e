//! The log, the store and what belongs to them, wired as a process would.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use headgate_events::{
    Consumer, Delays, EmbeddedLog, KafkaLog, Log, Message, Parts, Relay, Silent, Topic, Topics,
    consumer, kafka, relay,
};
use headgate_idempotency::{
    Decorated, OsRandom, Records, Settings, Store,
    dynamodb::{self, DynamoDb},
};
use headgate_types::{Clock, Event, Moment, Root, SpanId, TraceId, UnixTime};
use serde::Serialize;
use tokio::time::Instant;

use crate::handlers::{self, KIND, SCOPES, Step, TOPICS};

/// How long a lost member of a group keeps its partitions.
pub(crate) const SESSION: Duration = Duration::from_secs(6);

/// How long `DynamoDB` Local may take for an answer: it shares the machine with all others.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where log and store are: a folder, or brokers with a table.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// The embedded engine's folder.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Kafka's brokers.
    #[arg(long)]
    pub(crate) brokers: Option<String>,
    /// `DynamoDB`'s address.
    #[arg(long)]
    pub(crate) endpoint: Option<String>,
    /// `DynamoDB`'s table.
    #[arg(long, default_value = "load")]
    pub(crate) table: String,
    /// This worker's name, the same after a restart. Empty: another one each time.
    #[arg(long, default_value = "worker")]
    pub(crate) name: String,
}

impl Place {
    /// The embedded engine in a folder.
    pub(crate) fn embedded(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            brokers: None,
            endpoint: None,
            table: String::new(),
            name: String::new(),
        }
    }
}

/// Everything that handlers are run with.
pub(crate) struct World {
    pub(crate) parts: Parts,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) table: Option<DynamoDb>,
    relay: Option<Relay>,
}

impl World {
    pub(crate) async fn open(place: &Place) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(RealClock(Instant::now()));
        if let Some(folder) = &place.folder {
            let store = headgate_store::Store::open(folder, &headgate_store::Settings::default())?;
            let log = EmbeddedLog::new(store.clone(), Topics::default(), Arc::clone(&clock));
            let delays = Arc::new(store.clone());
            return Ok(Self::of(Arc::new(log), Arc::new(store), delays, clock));
        }
        let (Some(brokers), Some(endpoint)) = (&place.brokers, &place.endpoint) else {
            bail!("neither --folder nor --brokers with --endpoint");
        };
        let settings = kafka::Settings {
            instance: Some(place.name.clone()).filter(|name| !name.is_empty()),
            session_timeout: SESSION,
            ..kafka::Settings::new(brokers)
        };
        let log = Arc::new(KafkaLog::new(settings, Topics::default())?);
        let settings = dynamodb::Settings {
            attempt_timeout: ATTEMPT_TIMEOUT,
            operation_timeout: ATTEMPT_TIMEOUT * 2,
            ..dynamodb::Settings::local(endpoint, &place.table)
        };
        let table = DynamoDb::connect(settings).await?;
        let delays = Arc::new(table.clone());
        let mut world = Self::of(log, Arc::new(table.clone()), delays, clock);
        world.table = Some(table);
        Ok(world)
    }

    fn of(
        log: Arc<dyn Log>,
        store: Arc<dyn Store>,
        delays: Arc<dyn Delays>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let random = Arc::new(OsRandom);
        let records = Records::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            random.clone(),
            Settings::default(),
        );
        let parts = Parts {
            log,
            records,
            delays,
            clock,
            random,
            topics: Topics::default(),
            notify: Arc::new(Silent),
            results: None,
            series: None,
            relay: None,
            metrics: None,
        };
        Self { parts, store, table: None, relay: None }
    }

    /// Makes topics, and the table where there is one to be.
    pub(crate) async fn prepare(&self) -> Result<()> {
        if let Some(table) = &self.table {
            table.create_table().await?;
        }
        let letters = SCOPES.map(Topic::dead_letters);
        let topics: Vec<_> = TOPICS.map(Topic::new).into_iter().chain(letters).collect();
        self.parts.log.ensure(&topics).await?;
        Ok(())
    }

    /// Runs the handlers of all levels, and the relay where there is one to be.
    pub(crate) async fn start(&mut self) -> Result<Vec<Consumer>> {
        if let Some(table) = &self.table {
            let (log, clock) = (Arc::clone(&self.parts.log), Arc::clone(&self.parts.clock));
            let settings = relay::Settings::default();
            self.relay = Some(Relay::start(table.clone(), log, clock, settings));
        }
        let records = &self.parts.records;
        let zero = Arc::new(Decorated::new(handlers::zero(), records.clone())?);
        let one = Arc::new(Decorated::new(handlers::one(), records.clone())?);
        let two = Arc::new(Decorated::new(handlers::two(), records.clone())?);
        let handlers: [Arc<dyn headgate_events::Deliver>; 3] = [zero, one, two];
        let mut consumers = Vec::new();
        for handler in handlers {
            let settings = consumer::Settings::default();
            consumers.push(Consumer::start(self.parts.clone(), handler, settings).await?);
        }
        Ok(consumers)
    }

    pub(crate) async fn stop(&mut self, consumers: Vec<Consumer>) {
        for consumer in consumers {
            consumer.stop().await;
        }
        if let Some(relay) = self.relay.take() {
            relay.stop().await;
        }
    }

    /// Appends roots by their names.
    pub(crate) async fn publish(&self, names: &[String]) -> Result<()> {
        let now = self.parts.clock.unix_time();
        let [topic, ..] = TOPICS;
        let message = |name: &String| {
            let event = root(name, now, &Step { name: name.clone() })?;
            Ok(Message::event(&Topics::default(), topic, event))
        };
        let messages: Result<Vec<_>> = names.iter().map(message).collect();
        self.parts.log.append(messages?).await?;
        Ok(())
    }
}

/// A root event by its name, which is its key too.
pub(crate) fn root(name: &str, now: UnixTime, data: &impl Serialize) -> Result<Event> {
    let data = serde_json::to_vec(data)?;
    let mut trace = [1; 16];
    let bytes = name.as_bytes();
    let trace_bytes = trace.iter_mut().zip(bytes.iter().rev());
    trace_bytes.for_each(|(to, from)| *to = *from);
    let root = Root {
        id: name.into(),
        source: "/load".into(),
        kind: KIND.into(),
        partition_key: name.into(),
        time: now,
        trace_id: TraceId::from_bytes(trace).context("a trace is not all zero")?,
        span_id: SpanId::from_bytes([1; 8]).context("a span is not all zero")?,
    };
    Ok(Event::root(root, Bytes::from(data)))
}

/// The system's clocks.
#[derive(Debug)]
struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Moment {
        Moment::from(self.0.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that others take")]
    fn unix_time(&self) -> UnixTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        UnixTime::from_duration(since.unwrap_or_default())
    }
}
