//! What all exchanges share: the compiled settings, the counters, the life cycle.

mod found;
mod limits;
mod snapshot;
mod terms;

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use headgate_events::PushHub;
use headgate_idempotency::{KeyError, Records};
use headgate_router::table::Tie;
use headgate_telemetry::{
    EdgeMetrics, Metrics, RulingMetrics,
    access::{Log, SlowLog, Tails},
    otlp::Spans,
};
use headgate_types::{Clock, TraceId};
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

pub(crate) use self::{
    snapshot::{FALLBACK, Function, Functions, Route, Snapshot, Tools},
    terms::Terms,
};
use crate::{
    connections::Connections,
    drain::Lifecycle,
    facts::Keeper,
    identity::{self, Authenticator, FetchKeys, Refreshes, SourceStatus},
    mirror::MirrorState,
    overload::Protection,
    passport::{self, Mint},
    probe::Mark,
    publishing::Publish,
    push::Pushes,
    recent::{Recent, Told},
    settings::Settings,
    split::SplitState,
    tls::{CertificateError, Certificates, Shown},
    traces::Traces,
    upstream::{UpstreamState, UpstreamTlsError},
};

/// Time between two looks whether keys were fetched.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// An edge, ready to serve.
#[derive(Debug)]
pub struct Edge {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) threads: NonZeroUsize,
    pub(crate) connections: Arc<Connections>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) protection: Protection,
    pub(crate) metrics: EdgeMetrics,
    pub(crate) access: Log,
    /// The exchanges that have ended last.
    pub(crate) recent: Recent,
    /// Tells the edge's own probes. None: there is no secret to tell them by.
    pub(crate) mark: Option<Mark>,
    /// Who watches access lines.
    tails: Tails,
    /// Tells of those that took long.
    pub(crate) slow: SlowLog,
    /// Sends traces. None: nobody takes them.
    pub(crate) traces: Option<Traces>,
    /// Takes facts of requests. None: none are kept.
    pub(crate) facts: OnceLock<Keeper>,
    /// Keeps events. None: nobody does, and none are taken.
    publisher: OnceLock<Arc<dyn Publish>>,
    /// The clients that results are pushed to.
    pub(crate) pushes: Pushes,
    pub(crate) mint: Arc<Mint>,
    /// What its listeners show.
    pub(crate) certificates: Arc<Shown>,
    /// What further settings are compiled with.
    pub(crate) tools: Tools,
    snapshot: ArcSwap<Snapshot>,
    /// How often settings were applied.
    pub(crate) applied: watch::Sender<u64>,
    /// Snapshots that were replaced and may still be held by exchanges. Kept here until nobody
    /// does, so that no data path spends its time on taking a large one apart.
    replaced: Mutex<Vec<Arc<Snapshot>>>,
}

/// What an edge is given by whoever wires it.
#[derive(Debug)]
pub struct Parts {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes the counters.
    pub metrics: Metrics,
    /// Where access lines go.
    pub access: Log,
    /// Fetches JSON Web Key Sets.
    pub fetch: Arc<dyn FetchKeys>,
    /// The digest of the configuration in force.
    pub digest: Arc<str>,
    /// Where idempotency records are kept. None: nowhere, and requests with a key are refused on
    /// the routes that heed it.
    pub records: Option<Records>,
}

/// Why an edge can't be built from its settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two routes tie.
    #[error("{} pairs of routes tie", .0.len())]
    Ties(Vec<Tie>),
    /// An identity source can't be used.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// Passports can't be signed.
    #[error(transparent)]
    Passport(#[from] passport::Error),
    /// A route's keys can't be kept apart.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A route's requests can't be divided as asked.
    #[error(transparent)]
    Split(#[from] headgate_router::split::Error),
    /// An upstream can't be spoken to by TLS.
    #[error(transparent)]
    UpstreamTls(#[from] UpstreamTlsError),
    /// A listener's certificate can't be used.
    #[error("certificate {} can't be used: {source}", path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// A route names an upstream that is not there.
    #[error("route {team}/{route} names an upstream that is not there")]
    Upstream {
        /// The route's team.
        team: Arc<str>,
        /// The route.
        route: Arc<str>,
    },
}

impl Edge {
    /// Compiles the settings; opens no socket.
    ///
    /// # Errors
    ///
    /// [`BuildError`], which whoever made the settings should have ruled out.
    pub fn new(settings: &Settings, parts: Parts) -> Result<Arc<Self>, BuildError> {
        let Parts { clock, metrics, access, fetch, digest, records } = parts;
        let counts = metrics.edge();
        let mint = Mint::new(&settings.passport, Arc::clone(&clock))?.counting(counts.clone());
        let tools = Tools { clock, metrics, fetch, records };
        let certificates = Shown::new(certificates(settings)?);
        let snapshot = Snapshot::compile(settings, &tools, &digest, None)?;
        let limits = &settings.edge.limits;
        let protection = Protection::default();
        protection.enforce(&settings.edge.overload);
        snapshot.enforce();
        Ok(Arc::new(Self {
            connections: Connections::new(
                limits.connections_max.get(),
                limits.connections_per_client_max.get(),
            ),
            threads: settings.edge.threads,
            lifecycle: Lifecycle::default(),
            protection,
            metrics: counts,
            access,
            recent: Recent::new(settings.edge.recent, settings.edge.threads),
            mark: Mark::draw(),
            tails: Tails::default(),
            slow: SlowLog::default(),
            traces: settings.edge.traces.as_ref().map(|it| Traces::new(it, &tools.metrics)),
            facts: OnceLock::new(),
            publisher: OnceLock::new(),
            pushes: Pushes::new(tools.metrics.push()),
            clock: Arc::clone(&tools.clock),
            mint: Arc::new(mint),
            certificates: Arc::new(certificates),
            tools,
            snapshot: ArcSwap::from_pointee(snapshot),
            applied: watch::Sender::new(0),
            replaced: Mutex::default(),
        }))
    }

    /// Puts other settings in force, at once and as a whole. An exchange goes on with those that
    /// it began with; a connection keeps its own limits.
    ///
    /// What is the same as before stays what it is: upstream connections and what is known of
    /// endpoints, retry budgets, keys of identity sources and what they have verified. `WebSocket`s
    /// through a route that is gone, or whose match or upstream is another one, are told "going
    /// away"; who may call is asked when one is opened.
    ///
    /// Certificates are shown to who connects from then on. Not taken over are listeners, threads
    /// and the Passport: those are for the next process. Takes time with the size of the settings, so call it beside the data path.
    ///
    /// # Errors
    ///
    /// [`BuildError`]; nothing has changed then.
    pub fn apply(&self, settings: &Settings, digest: &str) -> Result<(), BuildError> {
        // Held to the end: two callers apply one after the other.
        let mut replaced = self.replaced.lock();
        replaced.retain(|old| Arc::strong_count(old) > 1);
        let before = self.snapshot();
        let certificates = certificates(settings)?;
        let after = Snapshot::compile(settings, &self.tools, digest, Some(&before))?;
        self.certificates.show(certificates);
        let limits = &settings.edge.limits;
        self.connections
            .limit(limits.connections_max.get(), limits.connections_per_client_max.get());
        let stays: HashSet<_> = after.routes.iter().map(|route| Arc::as_ptr(&route.end)).collect();
        self.protection.enforce(&settings.edge.overload);
        after.enforce();
        self.snapshot.store(Arc::new(after));
        for route in &before.routes {
            if !stays.contains(&Arc::as_ptr(&route.end)) {
                route.end.withdraw();
            }
        }
        replaced.push(before);
        self.applied.send_modify(|applied| *applied += 1);
        Ok(())
    }

    /// Keeps facts of the requests from here on; the first keeper stays.
    pub fn keep_facts(&self, keeper: Keeper) {
        self.facts.get_or_init(|| keeper);
    }

    /// Takes events from here on; the first publisher stays.
    pub fn publish_through(&self, publisher: Arc<dyn Publish>) {
        self.publisher.get_or_init(|| publisher);
    }

    /// Pushes results to their owners from here on; the first hub stays.
    pub fn push_from(&self, hub: PushHub) {
        self.pushes.follow(hub);
    }

    pub(crate) fn publisher(&self) -> Option<Arc<dyn Publish>> {
        self.publisher.get().cloned()
    }

    /// The edge's life cycle: readiness follows it.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Lets operators watch the access lines of what ends from then on.
    pub fn tails(&self) -> &Tails {
        &self.tails
    }

    /// Takes spans for the collector. None: there is none.
    pub fn spans(&self) -> Option<&Spans> {
        self.traces.as_ref().map(Traces::spans)
    }

    /// Client connections open now.
    pub fn connections_open(&self) -> usize {
        self.connections.open()
    }

    /// Verifies callers, by the settings in force.
    pub fn authenticator(&self) -> Arc<Authenticator> {
        Arc::clone(&self.snapshot().authenticator)
    }

    /// Keeps the keys of every identity source in force fresh, until `shutdown` holds true or its
    /// sender is gone. To be run once, beside the data path.
    pub async fn keep_keys_fresh(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let mut applied = self.applied.subscribe();
        let mut refreshes = Refreshes::default();
        loop {
            refreshes.follow(&self.authenticator(), &shutdown);
            tokio::select! {
                // A sender that is gone means shutdown too.
                _ = shutdown.wait_for(|is_over| *is_over) => return,
                // The edge lives as long as this.
                _applied = applied.changed() => {}
            }
        }
    }

    /// Fetches the keys of every identity source in force once, for `within` at most. A source whose
    /// fetch failed is left as it is.
    pub async fn fetch_keys(self: Arc<Self>, within: Duration) {
        let (_running, shutdown) = watch::channel(false);
        let tried = async {
            let is_tried = |one: &SourceStatus| one.is_usable || one.last_error.is_some();
            while !self.authenticator().status().iter().all(is_tried) {
                sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = Arc::clone(&self).keep_keys_fresh(shutdown) => {}
            // What is not there in time is fetched by whoever keeps the keys fresh.
            _tried = timeout(within, tried) => {}
        }
    }

    /// Signs Passports; its key rotation runs beside the data path.
    pub fn mint(&self) -> Arc<Mint> {
        Arc::clone(&self.mint)
    }

    /// The upstreams as they stand, for operators.
    pub fn upstreams(&self) -> Vec<UpstreamState> {
        let now = self.clock.now();
        self.snapshot().upstreams.iter().map(|upstream| upstream.state(now)).collect()
    }

    /// The split routes as they stand, for operators.
    pub fn splits(&self) -> Vec<SplitState> {
        let state = |route: &Arc<Route>| Some(route.split.as_ref()?.state(&route.settings));
        self.snapshot().routes.iter().filter_map(state).collect()
    }

    /// The mirrors of routes as they stand, for operators.
    pub fn mirrors(&self) -> Vec<MirrorState> {
        let state = |route: &Arc<Route>| Some(route.mirror.as_ref()?.state(&route.settings));
        self.snapshot().routes.iter().filter_map(state).collect()
    }

    /// Functions that handle events, by the scopes of their handlers.
    pub(crate) fn functions(&self) -> Arc<Functions> {
        Arc::clone(&self.snapshot.load().functions)
    }

    /// The counts of what layers say of one route's requests.
    pub(crate) fn rulings(&self, team: &str, route: &str) -> RulingMetrics {
        self.tools.metrics.rulings(team, route)
    }

    /// What is kept of the exchanges of a trace, for operators.
    pub fn why(&self, trace: TraceId) -> Told {
        self.recent.tell(trace, self.clock.unix_time())
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What holds for what begins now.
    pub(crate) fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.snapshot.load().terms)
    }
}

/// The certificates of the listeners.
fn certificates(settings: &Settings) -> Result<Option<Certificates>, BuildError> {
    let Some(tls) = &settings.edge.tls else { return Ok(None) };
    let certificates = Certificates::new(&tls.certificates).map_err(|(at, source)| {
        let path = tls.certificates.get(at).map(|one| one.cert_path.clone()).unwrap_or_default();
        BuildError::Certificate { path, source }
    })?;
    Ok(Some(certificates))
}

#[cfg(test)]
mod tests;
