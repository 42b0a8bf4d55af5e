//! What all exchanges share: the compiled settings, the counters, the life cycle.

use std::{net::IpAddr, num::NonZeroUsize, sync::Arc, time::Duration};

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
    identity::{self, Authenticator, FetchKeys},
    mirror::{Mirror, MirrorState},
    passport::{self, Mint},
    settings::{self, Settings},
    split::{Arm, Split, SplitState},
    step::idempotency::Keys,
    testers::Testers,
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
    pub(crate) mint: Arc<Mint>,
    /// Who may choose an arm. None: nobody.
    pub(crate) testers: Option<Testers>,
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
    /// Where its requests go, unless they are split.
    upstream: Arc<Upstream>,
    /// How its requests are divided. None: all go to the upstream.
    pub(crate) split: Option<Box<Split>>,
    /// What gets copies of its requests. None: nothing.
    pub(crate) mirror: Option<Arc<Mirror>>,
    pub(crate) metrics: RouteMetrics,
    /// What the access line of each of its exchanges says of it, unless an arm says more.
    members: Members,
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
    /// A route's requests can't be divided as asked.
    #[error(transparent)]
    Split(#[from] headgate_router::split::Error),
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
            clock: parts.clock,
            snapshot: ArcSwap::from_pointee(snapshot),
        }))
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
            identity_names: identity.iter().map(|source| Arc::clone(&source.name)).collect(),
            mint: Arc::new(Mint::new(&settings.passport, clock())?.counting(parts.metrics.edge())),
            testers: match &settings.testers {
                Some(testers) => Some(Testers::new(testers, parts)?),
                None => None,
            },
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
            split: Split::compile(one, upstreams, parts)?,
            mirror: Mirror::compile(one, upstreams, parts)?,
            upstream,
            keys: Keys::of(one, parts.records.as_ref())?,
        }))
    }

    /// The arm that a request drew; none where requests are not split.
    pub(crate) fn arm(&self, drawn: Option<usize>) -> Option<&Arm> {
        self.split.as_ref()?.arm(drawn)
    }

    /// Where a request that drew an arm, or none, is sent.
    pub(crate) fn upstream(&self, drawn: Option<usize>) -> &Arc<Upstream> {
        self.arm(drawn).map_or(&self.upstream, |arm| &arm.upstream)
    }

    /// What the access line of such a request says of its route.
    pub(crate) fn members(&self, drawn: Option<usize>) -> &Members {
        self.arm(drawn).map_or(&self.members, |arm| &arm.members)
    }
}
