//! Wires events: the log, what routes publish, and the handlers of the configuration in force.

mod consumers;
mod exchanges;
mod sinks;

use std::{sync::Arc, time::Duration};

use headgate_admin::EventState;
use headgate_config::{EventLog, Loaded, Secret};
use headgate_events::{
    APART_MARGIN, Delays, EmbeddedLog, ExchangeFeed, KafkaLog, Log, LogError, Looked, NoticeFeed,
    Notices, Parts, Publish, PublishError, Publisher, PushHub, Results, Retention, SeriesControls,
    Topic, Topics, kafka,
};
use headgate_gateway::{
    self as gateway, Asked, Edge, NotPublished, Publication, ResultsAsk, server::Task,
};
use headgate_idempotency::{
    ClaimCheck, DynamoDb, OsRandom, Records,
    claim_check::{Bounds, CheckInError},
};
use headgate_telemetry::{
    Metrics,
    otlp::{self, Spans},
};
use headgate_types::Clock;
use parking_lot::Mutex;
use tokio::sync::watch;

use self::consumers::Handlers;
use crate::{control::Home, exit::Invalid, reload::Running, store::Stores};

/// What the parts that deal with events share.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    pub(crate) parts: Parts,
    pub(crate) publisher: Publisher,
    pub(crate) results: Results,
    /// The handlers that run.
    pub(crate) handlers: Handlers,
    /// What gives results to the clients that wait for them.
    pushes: PushHub,
    /// What operators say of series.
    series: SeriesControls,
    /// The embedded log, which has to be trimmed. None: another cluster's own work.
    embedded: Option<EmbeddedLog>,
    /// The table whose outbox has to be carried to the log. None: a commit is in the log at once.
    outbox: Option<DynamoDb>,
    /// What appends notices, until it runs.
    feed: Arc<Mutex<Option<NoticeFeed>>>,
    /// What appends exchanges, until it runs.
    exchanges: Arc<Mutex<Option<ExchangeFeed>>>,
    /// How long exchanges are kept as events. None: none are.
    exchanges_kept: Option<Duration>,
    /// Takes spans for the collector. None: there is none.
    spans: Option<Spans>,
}

/// The log, and what comes with it.
struct Opened {
    log: Arc<dyn Log>,
    delays: Arc<dyn Delays>,
    embedded: Option<EmbeddedLog>,
    outbox: Option<DynamoDb>,
}

/// Where what operators change stands: in the log of events where there is one.
///
/// # Errors
///
/// [`Invalid`] for a cluster whose clients can't be made.
pub(crate) fn control_home(
    events: Option<&Events>,
    loaded: &Loaded,
    stores: &Stores,
    clock: &Arc<dyn Clock>,
) -> Result<Home, Invalid> {
    let Some(wanted) = &loaded.events else { return Ok(Home::Process) };
    let topic = Topic::control(loaded.fleet.as_deref());
    let topics = Topics::default();
    let kind = match wanted {
        EventLog::Kafka { .. } => "kafka",
        _ => "embedded",
    };
    let log: Option<Arc<dyn Log>> = match (events, wanted) {
        (Some(events), _) => Some(Arc::clone(&events.parts.log)),
        (None, EventLog::Kafka { password, settings }) => {
            Some(Arc::new(cluster(settings, password.as_ref(), &topics)?))
        }
        (None, _) => stores.local().map(|store| {
            let log = EmbeddedLog::new(store.clone(), topics, Arc::clone(clock));
            Arc::new(log) as Arc<dyn Log>
        }),
    };
    Ok(log.map_or(Home::Nowhere, |log| Home::Log(log, topic, kind)))
}

/// Where edges tell each other what moves: in the log that operators' changes stand in.
pub(crate) fn timeline_home(home: &Home, loaded: &Loaded) -> Option<(Arc<dyn Log>, Topic)> {
    let log = home.log().map(Arc::clone)?;
    Some((log, Topic::timeline(loaded.fleet.as_deref())))
}

/// The log of a cluster, whose password is read here.
fn cluster(
    settings: &kafka::Settings,
    password: Option<&Secret>,
    topics: &Topics,
) -> Result<KafkaLog, Invalid> {
    let mut settings = settings.clone();
    if let (Some(sasl), Some(place)) = (&mut settings.sasl, password) {
        sasl.password = kafka::Secret(place.read().map_err(Invalid::new)?);
    }
    KafkaLog::new(settings, topics.clone()).map_err(Invalid::new)
}

/// Opens the log that is wanted; none where its store could not be opened.
fn opened(
    wanted: &EventLog,
    stores: &Stores,
    topics: &Topics,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Opened>, Invalid> {
    match wanted {
        EventLog::Embedded { .. } => Ok(stores.local().map(|store| {
            let log = EmbeddedLog::new(store.clone(), topics.clone(), Arc::clone(clock));
            let (embedded, delays) = (Some(log.clone()), Arc::new(store.clone()));
            Opened { log: Arc::new(log), delays, embedded, outbox: None }
        })),
        EventLog::Kafka { password, settings } => {
            let Some(table) = stores.table() else { return Ok(None) };
            let log = cluster(settings, password.as_ref(), topics)?;
            let (outbox, delays) = (Some(table.clone()), Arc::new(table.clone()));
            Ok(Some(Opened { log: Arc::new(log), delays, embedded: None, outbox }))
        }
        _ => Ok(None),
    }
}

impl Events {
    /// Opens the log; none where the configuration has no place for events, or the store of their
    /// records could not be opened.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for a cluster whose clients can't be made.
    fn open(
        (loaded, spans): (&Loaded, Option<&Spans>),
        (stores, records): (&Stores, Option<&Records>),
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Result<Option<Self>, Invalid> {
        let (Some(wanted), Some(records)) = (&loaded.events, records) else { return Ok(None) };
        let topics = topics(loaded);
        let Some(opened) = opened(wanted, stores, &topics, clock)? else { return Ok(None) };
        let Opened { log, delays, embedded, outbox } = opened;
        let results = Results::new(records.clone());
        let series = SeriesControls::new(Arc::clone(&log), topics.clone(), Arc::clone(clock));
        let (notices, feed) = Notices::new(loaded.notices.clone());
        let parts = Parts {
            log,
            records: records.clone(),
            delays,
            clock: Arc::clone(clock),
            random: Arc::new(OsRandom),
            topics,
            notify: Arc::new(notices),
            results: Some(results.clone()),
            series: Some(series.clone()),
            relay: None,
            metrics: Some(metrics.clone()),
        };
        let publisher = Publisher::new(parts.clone());
        let publisher = match claim_check(loaded, records) {
            Some(claim_check) => publisher.with_claim_check(claim_check),
            None => publisher,
        };
        let handlers = Handlers::default();
        let (log, topics) = (Arc::clone(&parts.log), parts.topics.clone());
        let pushes = PushHub::new(log, topics, Some(metrics.push()));
        let feed = Arc::new(Mutex::new(Some(feed)));
        let spans = spans.cloned();
        if let Some(spans) = &spans {
            pushes.tell(spans.clone(), Arc::clone(clock));
        }
        Ok(Some(Self {
            parts,
            publisher,
            results,
            handlers,
            pushes,
            series,
            embedded,
            outbox,
            feed,
            exchanges: Arc::default(),
            exchanges_kept: loaded.exchanges.map(|exchanges| exchanges.keep),
            spans,
        }))
    }

    /// Opens the log and lets the edge publish to it. Handlers are known from here on, so that no
    /// result is missing because its handler has not begun.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(crate) fn wire(
        (loaded, edge): (&Loaded, &Arc<Edge>),
        kept: (&Stores, Option<&Records>),
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Result<Option<Self>, Invalid> {
        let events = Self::open((loaded, edge.spans()), kept, clock, metrics)?;
        if let Some(events) = &events {
            events.register(edge, &loaded.settings);
            *events.exchanges.lock() = exchanges::begin(loaded, edge, metrics);
            edge.publish_through(Arc::new(events.clone()));
            edge.push_from(events.pushes.clone());
        }
        Ok(events)
    }

    /// What the admin API answers from.
    pub(crate) fn for_operators(&self) -> EventState {
        let handlers = self.handlers.clone();
        EventState {
            parts: self.parts.clone(),
            handlers: Arc::new(move || handlers.running()),
            exchanges: self.exchanges_kept,
        }
    }

    /// All that runs beside the edge.
    pub(crate) fn tasks(
        self,
        edge: &Arc<Edge>,
        followed: watch::Receiver<Arc<Running>>,
    ) -> Vec<(&'static str, Task)> {
        let exchanges = self.exchanges_task().map(|task| ("exchanges", task));
        let mut tasks = vec![("push", self.follow_task()), ("events", self.task(edge, followed))];
        tasks.extend(exchanges);
        tasks
    }

    /// Follows what is pushed and what is said of series until the edge has ended: clients are still
    /// told of what is handled while it drains.
    fn follow_task(&self) -> Task {
        let (pushes, series) = (self.pushes.clone(), self.series.clone());
        Box::new(move |mut shutdown| {
            Box::pin(async move {
                tokio::select! {
                    // A sender that is gone means the same as one that says stop.
                    _stopped = shutdown.wait_for(|stop| *stop) => {}
                    () = pushes.run() => {}
                    () = series.run() => {}
                }
            })
        })
    }

    /// Removes what no topic keeps any more.
    async fn trim(&self) {
        let Some(log) = &self.embedded else { return };
        if let Err(error) = log.trim().await {
            tracing::warn!(%error, code = error.code(), "log not trimmed");
        }
    }
}

/// Room for large data, for as long as any topic keeps events. None: there is none.
fn claim_check(loaded: &Loaded, records: &Records) -> Option<ClaimCheck> {
    let total_bytes_max = loaded.large_data_max?;
    let longest = loaded.settings.topics.iter().map(|topic| topic.retention).max();
    let keep_max = longest.unwrap_or_default().saturating_add(APART_MARGIN);
    Some(ClaimCheck::new(records, Bounds { total_bytes_max, keep_max }))
}

/// The topics that the configuration names.
fn topics(loaded: &Loaded) -> Topics {
    let configured = loaded.settings.topics.iter().map(|topic| Topic {
        partitions: topic.partitions,
        retention: Retention { age: Some(topic.retention), bytes: None },
        ..Topic::new(&topic.name)
    });
    Topics::new(configured.chain(exchanges::topic(loaded)))
}

/// What the data path asks.
impl gateway::Publish for Events {
    fn publish(
        &self,
        publication: Publication,
    ) -> Asked<'_, Result<gateway::Published, NotPublished>> {
        let Publication { topic, event, owner, claim } = publication;
        let owner = Some(owner.as_str().to_owned());
        let publish = Publish { topic: Arc::clone(&topic), event, owner, claim };
        let clock = &self.parts.clock;
        Box::pin(async move {
            let (began, since) = (clock.unix_time(), clock.now());
            let published =
                self.publisher.publish(publish).await.map_err(|error| refused(&error))?;
            let is_told = published.event.is_sampled && !published.is_repeated;
            if let Some(spans) = self.spans.as_ref().filter(|_| is_told) {
                let lasted = (began, clock.now().since(since));
                spans.record(&[otlp::published(&published.event, &topic, lasted)]);
            }
            let (trace, is_repeated) = (published.event.trace_id, published.is_repeated);
            Ok(gateway::Published { trace, is_repeated })
        })
    }

    fn results(
        &self,
        ask: ResultsAsk,
    ) -> Asked<'_, Result<gateway::Results, gateway::Unavailable>> {
        Box::pin(async move {
            let ResultsAsk { trace, owner, wait } = ask;
            let looked = if wait == Duration::ZERO {
                self.results.look(trace, owner.as_str()).await
            } else {
                self.results.wait(trace, owner.as_str(), wait).await
            };
            match looked {
                Ok(Looked::Unknown) => Ok(gateway::Results::Unknown),
                Ok(Looked::Pending { settled, handlers }) => {
                    Ok(gateway::Results::Running { settled, handlers })
                }
                Ok(Looked::Settled(results)) => {
                    let results = results.iter().map(|(name, result)| (&**name, result.json()));
                    Ok(gateway::Results::Settled(object(results).into()))
                }
                Err(error) => {
                    tracing::debug!(%error, "results can't be read");
                    Err(gateway::Unavailable)
                }
            }
        })
    }
}

/// A JSON object of members that are JSON already.
fn object<'a>(members: impl Iterator<Item = (&'a str, bytes::Bytes)>) -> Vec<u8> {
    let mut text = vec![b'{'];
    for (index, (name, value)) in members.enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(serde_json::json!(name).to_string().as_bytes());
        text.push(b':');
        text.extend_from_slice(&value);
    }
    text.push(b'}');
    text
}

fn refused(error: &PublishError) -> NotPublished {
    tracing::debug!(%error, "event not published");
    match error {
        PublishError::Conflict | PublishError::Busy { .. } => NotPublished::Conflict,
        PublishError::Invalid(_)
        | PublishError::Apart(CheckInError::TooLarge { .. })
        | PublishError::Log(LogError::Invalid(_)) => NotPublished::Invalid,
        PublishError::Apart(CheckInError::NoRoom { .. }) => NotPublished::NoRoom,
        _ => NotPublished::Unavailable,
    }
}

#[cfg(test)]
mod tests;
