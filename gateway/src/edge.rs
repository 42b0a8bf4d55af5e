//! What all exchanges share: the compiled settings, the counters, the life cycle.

use std::{
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use headgate_idempotency::{KeyError, Records};
use headgate_router::{
    device::Classifier,
    retry::{Budget, Policy},
    table::{Table, Tie},
};
use headgate_telemetry::{
    EdgeMetrics, Metrics, RouteMetrics,
    access::{Log, Members},
};
use headgate_types::Clock;
use http::HeaderValue;
use ipnet::IpNet;

use crate::{
    connections::Connections,
    drain::Lifecycle,
    facts::{Keeper, Watches},
    identity::{self, Authenticator, FetchKeys},
    passport::{self, Mint},
    settings::{self, Settings},
    step::idempotency::Keys,
    upstream::{Upstream, UpstreamState},
};

/// The class of a device that no rule knows.
const UNKNOWN_DEVICE: &str = "unknown";

/// An edge, ready to serve.
#[derive(Debug)]
pub struct Edge {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: settings::Limits,
    pub(crate) drain: settings::Drain,
    pub(crate) threads: NonZeroUsize,
    trusted_peers: Vec<IpNet>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) metrics: EdgeMetrics,
    pub(crate) access: Log,
    /// Takes facts of requests. None: none are kept.
    pub(crate) facts: OnceLock<Keeper>,
    snapshot: ArcSwap<Snapshot>,
}

/// The routing side of the settings, compiled; an exchange keeps the one that it began with.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) table: Table,
    pub(crate) classifier: Classifier,
    pub(crate) routes: Vec<Arc<Route>>,
    /// Requests that no route took.
    pub(crate) unrouted: RouteMetrics,
    upstreams: Vec<Arc<Upstream>>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) identity_names: Vec<Arc<str>>,
    /// What facts hold of a request.
    pub(crate) watches: Watches,
    pub(crate) mint: Arc<Mint>,
    /// The `headgate-device` value of each class.
    devices: Vec<(Arc<str>, HeaderValue)>,
    /// What the access line of every exchange says of the configuration.
    pub(crate) members: Members,
}

/// A route as the data path uses it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) settings: settings::Route,
    pub(crate) timeout: Duration,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) metrics: RouteMetrics,
    /// What the access line of each of its exchanges says of it.
    pub(crate) members: Members,
    pub(crate) retry: Policy,
    pub(crate) budget: Budget,
    /// What an `idempotency-key` does. None: nothing.
    pub(crate) keys: Option<Keys>,
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
        let snapshot = Snapshot::compile(settings, &parts)?;
        let limits = settings.edge.limits.clone();
        Ok(Arc::new(Self {
            connections: Connections::new(
                limits.connections_max.get(),
                limits.connections_per_client_max.get(),
            ),
            limits,
            drain: settings.edge.drain.clone(),
            threads: settings.edge.threads,
            trusted_peers: settings.edge.trusted_peers.clone(),
            lifecycle: Lifecycle::default(),
            metrics: parts.metrics.edge(),
            access: parts.access,
            facts: OnceLock::new(),
            clock: parts.clock,
            snapshot: ArcSwap::from_pointee(snapshot),
        }))
    }

    /// Keeps facts of the requests from here on; the first keeper stays.
    pub fn keep_facts(&self, keeper: Keeper) {
        self.facts.get_or_init(|| keeper);
    }

    /// The edge's life cycle: readiness follows it.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Client connections open now.
    pub fn connections_open(&self) -> usize {
        self.connections.open()
    }

    /// Verifies callers; its key refresh runs beside the data path.
    pub fn authenticator(&self) -> Arc<Authenticator> {
        Arc::clone(&self.snapshot().authenticator)
    }

    /// Signs Passports; its key rotation runs beside the data path.
    pub fn mint(&self) -> Arc<Mint> {
        Arc::clone(&self.snapshot().mint)
    }

    /// The upstreams as they stand, for operators.
    pub fn upstreams(&self) -> Vec<UpstreamState> {
        let now = self.clock.now();
        self.snapshot().upstreams.iter().map(|upstream| upstream.state(now)).collect()
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_peers.iter().any(|net| net.contains(&peer))
    }
}

impl Snapshot {
    fn compile(settings: &Settings, parts: &Parts) -> Result<Self, BuildError> {
        let upstream = |one: &settings::Upstream| {
            Upstream::new(one, parts.metrics.upstream(&one.team, &one.name))
        };
        let upstreams: Vec<_> = settings.upstreams.iter().map(upstream).collect();
        let patterns = settings.routes.iter().map(|route| route.pattern.clone()).enumerate();
        let table = Table::build(patterns).map_err(BuildError::Ties)?;
        let route = |one| Route::compile(one, settings, &upstreams, parts);
        let classes = settings.devices.iter().map(|rule| &rule.name);
        let device = |class: &Arc<str>| (Arc::clone(class), HeaderValue::from_str(class));
        let clock = || Arc::clone(&parts.clock);
        let identity = &settings.identity;
        let counters = identity.iter().map(|source| parts.metrics.identity(&source.name));
        Ok(Self {
            table,
            classifier: Classifier::new(settings.devices.iter().cloned()),
            routes: settings.routes.iter().map(route).collect::<Result<_, _>>()?,
            unrouted: parts.metrics.no_route(),
            authenticator: Arc::new(
                Authenticator::new(identity, clock(), Arc::clone(&parts.fetch))?
                    .counting(counters.collect()),
            ),
            watches: Watches::of(settings),
            identity_names: identity.iter().map(|source| Arc::clone(&source.name)).collect(),
            mint: Arc::new(Mint::new(&settings.passport, clock())?.counting(parts.metrics.edge())),
            devices: classes
                .map(device)
                .filter_map(|(class, value)| Some((class, value.ok()?)))
                .collect(),
            members: Members::of(&[("config", &parts.digest)]),
            upstreams,
        })
    }

    /// The class as a header value; a class that can't be one is not named.
    pub(crate) fn device_value(&self, class: &str) -> HeaderValue {
        let known = self.devices.iter().find(|(known, _)| **known == *class);
        known.map_or(HeaderValue::from_static(UNKNOWN_DEVICE), |(_, value)| value.clone())
    }
}

impl Route {
    fn compile(
        one: &settings::Route,
        settings: &Settings,
        upstreams: &[Arc<Upstream>],
        parts: &Parts,
    ) -> Result<Arc<Self>, BuildError> {
        let upstream = upstreams.get(one.upstream).cloned().ok_or_else(|| {
            BuildError::Upstream { team: Arc::clone(&one.team), route: Arc::clone(&one.name) }
        })?;
        Ok(Arc::new(Self {
            settings: one.clone(),
            timeout: one.timeout.unwrap_or(settings.edge.limits.request_timeout),
            metrics: parts.metrics.route(&one.team, &one.name),
            members: Members::of(&[
                ("team", &one.team),
                ("route", &one.name),
                ("upstream", &upstream.settings.name),
            ]),
            retry: Policy::new(one.retry.max, &one.retry.on),
            budget: Budget::new(one.retry.budget, parts.clock.now()),
            upstream,
            keys: Keys::of(one, parts.records.as_ref())?,
        }))
    }
}
