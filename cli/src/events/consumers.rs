//! Runs a consumer for each handler of the configuration in force, and changes them with it; the
//! sinks run beside them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headgate_admin::Running as Consuming;
use headgate_events::{
    Consumer, Deliver, LogError, Registered, Relay, Traced,
    consumer::{Concurrency, Settings as Tuned},
    relay,
};
use headgate_gateway::{
    Edge, Function, Phase,
    server::Task,
    settings::{Handler, Settings},
};
use headgate_idempotency::{Decorated, InvalidTerms};
use headgate_router::overload::adaptive;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{
    events::{Events, sinks::Sinks},
    reload::Running,
};

/// Time between two looks for what no topic keeps any more.
const TRIM_EVERY: Duration = Duration::from_secs(10);
/// Time after which a handler is started again whose topic could not be had.
const AGAIN_EVERY: Duration = Duration::from_secs(2);

/// The handlers that run, by their scopes. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handlers(Arc<Mutex<BTreeMap<String, Consuming>>>);

impl Handlers {
    /// Those that run.
    pub(crate) fn running(&self) -> Vec<Consuming> {
        self.0.lock().values().cloned().collect()
    }
}

/// The handlers of a configuration, by their scopes.
type Wanted = BTreeMap<String, (Handler, Registered)>;

/// The consumers of this process, owned by one task.
struct Consumers {
    events: Events,
    edge: Arc<Edge>,
    running: BTreeMap<String, (Handler, Consumer)>,
    /// Whether a handler is not running that should.
    is_incomplete: bool,
}

impl Events {
    /// Runs the handlers until the edge ends. They stop when it begins to drain, which waits for
    /// what they have begun.
    pub(crate) fn task(
        self,
        edge: &Arc<Edge>,
        mut followed: watch::Receiver<Arc<Running>>,
    ) -> Task {
        let edge = Arc::clone(edge);
        Box::new(move |mut shutdown| {
            Box::pin(async move {
                let mut phase = edge.lifecycle().watch();
                let relay = self.relay();
                let feed = self.feed.lock().take();
                let feed = feed.map(|feed| tokio::spawn(feed.run(self.parts.clone())));
                let running = BTreeMap::new();
                let mut sinks = Sinks::new(self.clone());
                let mut all = Consumers {
                    events: self,
                    edge: Arc::clone(&edge),
                    running,
                    is_incomplete: false,
                };
                let (mut trims, mut again) = (slow(TRIM_EVERY), slow(AGAIN_EVERY));
                let loaded = Arc::clone(&followed.borrow_and_update().loaded);
                all.follow(&loaded.settings).await;
                sinks.follow(&loaded).await;
                loop {
                    tokio::select! {
                        biased;
                        () = ended(&mut phase, &mut shutdown) => break,
                        Ok(()) = followed.changed() => {
                            let loaded = Arc::clone(&followed.borrow_and_update().loaded);
                            all.follow(&loaded.settings).await;
                            sinks.follow(&loaded).await;
                        }
                        _tick = again.tick(), if all.is_incomplete || sinks.is_incomplete => {
                            let loaded = Arc::clone(&followed.borrow().loaded);
                            all.follow(&loaded.settings).await;
                            sinks.follow(&loaded).await;
                        }
                        _tick = trims.tick() => all.events.trim().await,
                    }
                }
                let _hold = edge.lifecycle().hold();
                tokio::join!(all.stop(), sinks.stop());
                if let Some(relay) = relay {
                    relay.stop().await;
                }
                if let Some(feed) = feed {
                    feed.abort();
                }
            })
        })
    }
}

/// Returns once the edge drains, or is told to stop.
async fn ended(phase: &mut watch::Receiver<Phase>, shutdown: &mut watch::Receiver<bool>) {
    // Senders that are gone mean the same.
    tokio::select! {
        _drains = phase.wait_for(|phase| *phase > Phase::Serving) => {}
        _stopped = shutdown.wait_for(|stop| *stop) => {}
    }
}

fn slow(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

impl Events {
    /// Carries what commits emit to the log, where it does not have it with the commit. Starts on
    /// tokio's current runtime.
    fn relay(&self) -> Option<Relay> {
        let (table, log) = (self.outbox.clone()?, Arc::clone(&self.parts.log));
        let clock = Arc::clone(&self.parts.clock);
        Some(Relay::start(table, log, clock, relay::Settings::default()))
    }

    /// Says which handlers there are, so that their results are waited for. What was registered
    /// before and is the same stays what it is.
    pub(crate) fn register(&self, edge: &Arc<Edge>, settings: &Settings) -> Wanted {
        let wanted = settings.handlers.iter().filter_map(|handler| {
            let scope = handler.scope();
            let name = name(handler, &settings.handlers);
            let deliver = self.deliver(edge, handler, &name).inspect_err(|error| {
                tracing::error!(%error, code = error.code(), handler = %scope, "handler not started");
            });
            let registered = Registered { name: name.into(), handler: deliver.ok()? };
            Some((scope, (handler.clone(), registered)))
        });
        let wanted: Wanted = wanted.collect();
        let registered = wanted.values().map(|(_, registered)| registered.clone());
        self.results.set_handlers(registered.collect());
        wanted
    }

    fn deliver(
        &self,
        edge: &Arc<Edge>,
        handler: &Handler,
        name: &str,
    ) -> Result<Arc<dyn Deliver>, InvalidTerms> {
        let parts = &self.parts;
        let retention = parts.topics.get(&handler.topic).retention.age.unwrap_or_default();
        let function = Function::new(edge, handler, name, retention);
        let decorated = Decorated::new(function, parts.records.clone())?;
        let decorated = decorated.with_partitions(parts.topics.for_handlers());
        let deliver: Arc<dyn Deliver> = match &parts.metrics {
            Some(metrics) => Arc::new(decorated.with_metrics(metrics.handler(&handler.scope()))),
            None => Arc::new(decorated),
        };
        Ok(match self.spans.clone() {
            Some(spans) => Arc::new(Traced::new(deliver, spans, Arc::clone(&parts.clock))),
            None => deliver,
        })
    }
}

impl Consumers {
    /// Stops the handlers that are gone or have changed, and starts those that are new.
    async fn follow(&mut self, settings: &Settings) {
        let wanted = self.events.register(&self.edge, settings);
        let is_wanted = |scope: &String, running: &Handler| {
            wanted.get(scope).is_some_and(|(handler, _)| is_same(handler, running))
        };
        let stale: Vec<_> = (self.running.iter())
            .filter(|(scope, (running, _))| !is_wanted(scope, running))
            .map(|(scope, _)| scope.clone())
            .collect();
        for scope in stale {
            self.events.handlers.0.lock().remove(&scope);
            if let Some((_, consumer)) = self.running.remove(&scope) {
                consumer.stop().await;
            }
        }
        self.is_incomplete = false;
        for (scope, (handler, registered)) in wanted {
            if self.running.contains_key(&scope) {
                continue;
            }
            if let Err(error) = self.start(&scope, handler, registered).await {
                tracing::error!(%error, code = error.code(), handler = %scope, "handler not started");
                self.is_incomplete = true;
            }
        }
    }

    async fn start(
        &mut self,
        scope: &str,
        handler: Handler,
        registered: Registered,
    ) -> Result<(), LogError> {
        let parts = self.events.parts.clone();
        let deliver = Arc::clone(&registered.handler);
        let consumer = Consumer::start(parts, deliver, tuned(&handler)).await?;
        let running = Consuming { handle: consumer.handle(), registered };
        self.events.handlers.0.lock().insert(scope.to_owned(), running);
        self.running.insert(scope.to_owned(), (handler, consumer));
        Ok(())
    }

    /// Stops all at once.
    async fn stop(self) {
        let mut stopping = tokio::task::JoinSet::new();
        for (_, consumer) in self.running.into_values() {
            stopping.spawn(consumer.stop());
        }
        stopping.join_all().await;
    }
}

/// What a consumer is started with.
fn tuned(handler: &Handler) -> Tuned {
    let max = u32::try_from(handler.concurrency).unwrap_or(u32::MAX).max(1);
    let usual = adaptive::Settings::default();
    let (initial, min) = (usual.initial.min(max), usual.min.min(max));
    let limit = adaptive::Settings { initial, min, max, ..usual };
    Tuned { concurrency: Concurrency::Adaptive(limit), ..Tuned::default() }
}

/// Whether a handler that runs is as it is wanted. Where it is called is looked up for each call.
fn is_same(wanted: &Handler, running: &Handler) -> bool {
    let (path, upstream) = (running.path.clone(), running.upstream);
    *running == Handler { path, upstream, ..wanted.clone() }
}

/// The name of a handler's results: with its team where another one for the same events has it.
fn name(handler: &Handler, all: &[Handler]) -> String {
    let is_like = |other: &&Handler| {
        (&other.topic, &other.kind, &other.name) == (&handler.topic, &handler.kind, &handler.name)
    };
    if all.iter().filter(is_like).count() > 1 {
        return format!("{}/{}", handler.team, handler.name);
    }
    handler.name.to_string()
}
