//! What all exchanges share: the compiled settings, the counters, the life cycle.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    connections::Connections,
    drain::Lifecycle,
    identity::{self, Authenticator, FetchKeys, Refreshes},
    passport::{self, Mint},
    settings::{self, AccessLog, Settings},
    step::idempotency::Keys,
    upstream::{Upstream, UpstreamState},
};

/// The class of a device that no rule knows.
const UNKNOWN_DEVICE: &str = "unknown";

/// An edge, ready to serve.
#[derive(Debug)]
pub struct Edge {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) threads: NonZeroUsize,
    pub(crate) connections: Arc<Connections>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) metrics: EdgeMetrics,
    pub(crate) access: Log,
    pub(crate) mint: Arc<Mint>,
    /// What further settings are compiled with.
    tools: Tools,
    snapshot: ArcSwap<Snapshot>,
    /// How often settings were applied.
    pub(crate) applied: watch::Sender<u64>,
    /// Snapshots that were replaced and may still be held by exchanges. Kept here until nobody
    /// does, so that no data path spends its time on taking a large one apart.
    replaced: Mutex<Vec<Arc<Snapshot>>>,
}

/// What settings are compiled with.
#[derive(Debug)]
struct Tools {
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    fetch: Arc<dyn FetchKeys>,
    records: Option<Records>,
}

/// The routing side of the settings, compiled; an exchange keeps the one that it began with until
/// its answer begins.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) terms: Arc<Terms>,
    pub(crate) table: Table,
    pub(crate) classifier: Classifier,
    pub(crate) routes: Vec<Arc<Route>>,
    upstreams: Vec<Arc<Upstream>>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) identity_names: Vec<Arc<str>>,
    /// The `headgate-device` value of each class.
    devices: Vec<(Arc<str>, HeaderValue)>,
<<<<<<< HEAD
}

/// What holds for every connection and exchange that begins now.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) limits: settings::Limits,
    pub(crate) drain: settings::Drain,
    trusted_peers: Vec<IpNet>,
    /// Requests that no route took.
    pub(crate) unrouted: RouteMetrics,
=======
>>>>>>> main
    /// What the access line of every exchange says of the configuration. None when none is written.
    pub(crate) members: Option<Members>,
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
    pub(crate) budget: Arc<Budget>,
    /// What an `idempotency-key` does. None: nothing.
    pub(crate) keys: Option<Keys>,
    /// Whether tunnels through it have to end.
    pub(crate) end: Arc<RouteEnd>,
}

/// Tells tunnels that their route is no longer there, or leads elsewhere.
#[derive(Debug, Default)]
pub(crate) struct RouteEnd(AtomicBool);

impl RouteEnd {
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn withdraw(&self) {
        self.0.store(true, Ordering::Release);
    }
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
        let Parts { clock, metrics, access, fetch, digest, records } = parts;
        let counts = metrics.edge();
        let mint = Mint::new(&settings.passport, Arc::clone(&clock))?.counting(counts.clone());
        let tools = Tools { clock, metrics, fetch, records };
        let snapshot = Snapshot::compile(settings, &tools, &digest, None)?;
        let limits = &settings.edge.limits;
        Ok(Arc::new(Self {
            connections: Connections::new(
                limits.connections_max.get(),
                limits.connections_per_client_max.get(),
            ),
            threads: settings.edge.threads,
            lifecycle: Lifecycle::default(),
            metrics: counts,
            access,
            clock: Arc::clone(&tools.clock),
            mint: Arc::new(mint),
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
    /// endpoints, retry budgets, keys of identity sources and what they have verified. WebSockets
    /// through a route that is gone, or whose match or upstream is another one, are told "going
    /// away"; who may call is asked when one is opened.
    ///
    /// Not taken over are listeners, certificates, threads and the Passport: those are for the next
    /// process. Takes time with the size of the settings, so call it beside the data path.
    ///
    /// # Errors
    ///
    /// [`BuildError`]; nothing has changed then.
    pub fn apply(&self, settings: &Settings, digest: &str) -> Result<(), BuildError> {
        // Held to the end: two callers apply one after the other.
        let mut replaced = self.replaced.lock();
        replaced.retain(|old| Arc::strong_count(old) > 1);
        let before = self.snapshot();
        let after = Snapshot::compile(settings, &self.tools, digest, Some(&before))?;
        let limits = &settings.edge.limits;
        self.connections
            .limit(limits.connections_max.get(), limits.connections_per_client_max.get());
        let stays: HashSet<_> = after.routes.iter().map(|route| Arc::as_ptr(&route.end)).collect();
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

    /// The edge's life cycle: readiness follows it.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
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

    /// Signs Passports; its key rotation runs beside the data path.
    pub fn mint(&self) -> Arc<Mint> {
        Arc::clone(&self.mint)
    }

    /// The upstreams as they stand, for operators.
    pub fn upstreams(&self) -> Vec<UpstreamState> {
        let now = self.clock.now();
        self.snapshot().upstreams.iter().map(|upstream| upstream.state(now)).collect()
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What holds for what begins now.
    pub(crate) fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.snapshot.load().terms)
    }
}

impl Terms {
    fn new(edge: &settings::Edge, metrics: &Metrics, digest: &str) -> Self {
        Self {
            limits: edge.limits.clone(),
            drain: edge.drain.clone(),
            trusted_peers: edge.trusted_peers.clone(),
            unrouted: metrics.no_route(),
            members: (edge.access_log == AccessLog::Stdout)
                .then(|| Members::of(&[("config", digest)])),
        }
    }

    /// Whether a peer's trace and forwarding headers are taken over.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_peers.iter().any(|net| net.contains(&peer))
    }
}

/// What is in force already, by name.
#[derive(Default)]
struct Known<'a> {
    upstreams: HashMap<(&'a str, &'a str), &'a Arc<Upstream>>,
    routes: HashMap<(&'a str, &'a str), &'a Arc<Route>>,
}

impl<'a> Known<'a> {
    fn of(before: &'a Snapshot) -> Self {
        let upstream = |one: &'a Arc<Upstream>| ((&*one.settings.team, &*one.settings.name), one);
        let route = |one: &'a Arc<Route>| ((&*one.settings.team, &*one.settings.name), one);
        Self {
            upstreams: before.upstreams.iter().map(upstream).collect(),
            routes: before.routes.iter().map(route).collect(),
        }
    }
}

impl Snapshot {
    fn compile(
        settings: &Settings,
        tools: &Tools,
        digest: &str,
        before: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let known = before.map(Known::of).unwrap_or_default();
        let upstream = |one: &settings::Upstream| {
            known.upstreams.get(&(&*one.team, &*one.name)).map_or_else(
                || Upstream::new(one, tools.metrics.upstream(&one.team, &one.name)),
                |before| before.successor(one),
            )
        };
        let upstreams: Vec<_> = settings.upstreams.iter().map(upstream).collect();
        let patterns = settings.routes.iter().map(|route| route.pattern.clone()).enumerate();
        let table = Table::build(patterns).map_err(BuildError::Ties)?;
        let route = |one: &settings::Route| {
            let before = known.routes.get(&(&*one.team, &*one.name)).copied();
            Route::compile((one, settings), &upstreams, tools, before)
        };
        let classes = settings.devices.iter().map(|rule| &rule.name);
        let device = |class: &Arc<str>| (Arc::clone(class), HeaderValue::from_str(class));
        let identity = &settings.identity;
        Ok(Self {
            terms: Arc::new(Terms::new(&settings.edge, &tools.metrics, digest)),
            table,
            classifier: Classifier::new(settings.devices.iter().cloned()),
            routes: settings.routes.iter().map(route).collect::<Result<_, _>>()?,
            authenticator: authenticator(identity, tools, before)?,
            identity_names: identity.iter().map(|source| Arc::clone(&source.name)).collect(),
            devices: classes
                .map(device)
                .filter_map(|(class, value)| Some((class, value.ok()?)))
                .collect(),
<<<<<<< HEAD
=======
            members: (settings.edge.access_log == AccessLog::Stdout)
                .then(|| Members::of(&[("config", &parts.digest)])),
>>>>>>> main
            upstreams,
        })
    }

    /// The class as a header value; a class that can't be one is not named.
    pub(crate) fn device_value(&self, class: &str) -> HeaderValue {
        let known = self.devices.iter().find(|(known, _)| **known == *class);
        known.map_or(HeaderValue::from_static(UNKNOWN_DEVICE), |(_, value)| value.clone())
    }
}

fn authenticator(
    sources: &[settings::IdentitySource],
    tools: &Tools,
    before: Option<&Snapshot>,
) -> Result<Arc<Authenticator>, identity::Error> {
    let counters = sources.iter().map(|source| tools.metrics.identity(&source.name)).collect();
    let authenticator = match before {
        Some(before) => before.authenticator.successor(sources)?,
        None => Authenticator::new(sources, Arc::clone(&tools.clock), Arc::clone(&tools.fetch))?,
    };
    Ok(Arc::new(authenticator.counting(counters)))
}

impl Route {
    fn compile(
        (one, settings): (&settings::Route, &Settings),
        upstreams: &[Arc<Upstream>],
        tools: &Tools,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, BuildError> {
        let upstream = upstreams.get(one.upstream).cloned().ok_or_else(|| {
            BuildError::Upstream { team: Arc::clone(&one.team), route: Arc::clone(&one.name) }
        })?;
        let timeout = one.timeout.unwrap_or(settings.edge.limits.request_timeout);
        if let Some(before) = before
            && Arc::ptr_eq(&before.upstream, &upstream)
            && before.timeout == timeout
            && before.settings == *one
        {
            return Ok(Arc::clone(before));
        }
        let budget = before.filter(|before| before.settings.retry.budget == one.retry.budget);
        let end = before.filter(|before| before.leads_where(one, &upstream));
        Ok(Arc::new(Self {
            settings: one.clone(),
            timeout,
            metrics: tools.metrics.route(&one.team, &one.name),
            members: Members::of(&[
                ("team", &one.team),
                ("route", &one.name),
                ("upstream", &upstream.settings.name),
            ]),
            retry: Policy::new(one.retry.max, &one.retry.on),
            budget: budget.map_or_else(
                || Arc::new(Budget::new(one.retry.budget, tools.clock.now())),
                |before| Arc::clone(&before.budget),
            ),
            end: end.map_or_else(Arc::default, |before| Arc::clone(&before.end)),
            upstream,
            keys: Keys::of(one, tools.records.as_ref())?,
        }))
    }

    /// Whether a route takes the same requests to the same upstream as this one, so that its
    /// tunnels may stay.
    fn leads_where(&self, one: &settings::Route, upstream: &Upstream) -> bool {
        self.settings.pattern == one.pattern && self.upstream.audience == upstream.audience
    }
}

#[cfg(test)]
mod tests;
