//! Named services and the connections to their endpoints.

mod check;
mod connect;
mod discover;
mod dns;
mod fitness;
mod lease;
mod looked_up;
mod opening;
mod pool;
mod state;
mod steps;
pub(crate) mod tls;
mod turns;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use headgate_router::{
    balance::{Balancer, Call, Place, affinity::key_of},
    overload::{
        breaker::{self, Breaker, State},
        outlier::Endpoints,
    },
    zone::Zones,
};
use headgate_telemetry::{Metrics, UpstreamMetrics};
use headgate_types::Moment;
use http::{HeaderValue, Method, Request, Uri, Version, header::HOST, uri::PathAndQuery};

use self::{
    fitness::{Fitness, Standing},
    tls::Tls,
};
pub(crate) use crate::upstream::looked_up::LookedUp;
pub(crate) use crate::upstream::tls::is_tls;
pub use crate::upstream::tls::{UpstreamTlsError, check as check_tls, check_authorities};
pub(crate) use crate::upstream::{
    connect::ConnectError,
    lease::{Lease, SendError},
};
pub use crate::upstream::{
    looked_up::DiscoveryState,
    state::{EndpointState, UpstreamState},
};
use crate::{
    overload::{Admission, EndpointLimits, UpstreamLimits},
    settings::{self, UpstreamOverload},
};

/// An upstream as the data path uses it.
pub(crate) struct Upstream {
    /// For each endpoint a number that is unique in this process, by which its connections are kept.
    ids: Vec<u64>,
    /// What it was configured as.
    pub(crate) settings: settings::Upstream,
    /// How its endpoints are spoken to by TLS. None: in plain.
    tls: Option<Tls>,
    /// `team/name`, the audience of its Passports.
    pub(crate) audience: Arc<str>,
    /// Each endpoint's address as text, for logs.
    pub(crate) addresses: Vec<Arc<str>>,
    /// Who is asked next.
    pub(crate) balancer: Balancer,
    /// Which of its endpoints are near. None: none is preferred.
    pub(crate) zones: Option<Zones>,
    /// What is known of where its endpoints are looked up. None: they are not.
    pub(crate) looked_up: Option<Arc<LookedUp>>,
    /// Requests at once.
    pub(crate) admission: Arc<Admission>,
    /// What keeps calls from endpoints that fail.
    pub(crate) breakers: Endpoints,
    /// Which endpoints may be asked before that. None: all.
    pub(crate) fitness: Option<Fitness>,
    /// What is counted.
    pub(crate) metrics: UpstreamMetrics,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("audience", &self.audience).finish_non_exhaustive()
    }
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An endpoint as the balancer sees it.
fn place(endpoint: &settings::Endpoint) -> Place {
    Place { weight: endpoint.weight, seed: key_of(endpoint.address.to_string().as_bytes()) }
}

fn zones(settings: &settings::Upstream) -> Option<Zones> {
    let endpoints = settings.endpoints.iter().map(|one| (one.zone.as_deref(), one.weight));
    Zones::new(settings.zone.as_deref()?, endpoints)
}

/// What an upstream may take over from the one before it.
struct Parts {
    ids: Vec<u64>,
    balancer: Balancer,
    admission: Arc<Admission>,
    breakers: Endpoints,
    /// What is known of the endpoints that stay.
    standings: Vec<Option<Arc<Standing>>>,
    looked_up: Option<Arc<LookedUp>>,
    metrics: UpstreamMetrics,
}

fn breaker_settings(settings: &settings::Upstream) -> breaker::Settings {
    let consecutive_failures = settings.overload.breaker.consecutive_failures;
    breaker::Settings { consecutive_failures, ..breaker::Settings::default() }
}

impl Upstream {
    /// Prepares an upstream; no connection is opened.
    ///
    /// # Errors
    ///
    /// [`UpstreamTlsError`], which whoever made the settings should have ruled out.
    pub(crate) fn new(
        settings: &settings::Upstream,
        (metrics, now): (&Metrics, Moment),
    ) -> Result<Arc<Self>, UpstreamTlsError> {
        let balancer = Balancer::new(settings.endpoints.len());
        let ids = settings.endpoints.iter().map(|_| next_id()).collect();
        let parts = Parts {
            ids,
            balancer,
            admission: Admission::new(&settings.overload.concurrency),
            breakers: Endpoints::new(settings.endpoints.len(), breaker_settings(settings)),
            standings: vec![None; settings.endpoints.len()],
            looked_up: None,
            metrics: metrics.upstream(&settings.team, &settings.name),
        };
        Self::with(settings, parts, (metrics, now))
    }

    /// The upstream that follows this one: itself when nothing has changed, else one that keeps
    /// what is known of the endpoints that stay, and their connections if those would be the same.
    ///
    /// # Errors
    ///
    /// As [`Upstream::new`].
    pub(crate) fn successor(
        self: &Arc<Self>,
        settings: &settings::Upstream,
        context: (&Metrics, Moment),
    ) -> Result<Arc<Self>, UpstreamTlsError> {
        let question = |one: &settings::Upstream| one.dns.as_ref().map(|dns| dns.question.clone());
        if settings.dns.is_some() && question(settings) == question(&self.settings) {
            // What was found stays until something else is.
            let endpoints = self.settings.endpoints.clone();
            return self
                .followed_by(&settings::Upstream { endpoints, ..settings.clone() }, context);
        }
        self.followed_by(settings, context)
    }

    /// The upstream that follows this one when its endpoints were found to be others.
    ///
    /// # Errors
    ///
    /// As [`Upstream::new`].
    pub(crate) fn with_endpoints(
        self: &Arc<Self>,
        endpoints: Vec<settings::Endpoint>,
        context: (&Metrics, Moment),
    ) -> Result<Arc<Self>, UpstreamTlsError> {
        self.followed_by(&settings::Upstream { endpoints, ..self.settings.clone() }, context)
    }

    fn followed_by(
        self: &Arc<Self>,
        settings: &settings::Upstream,
        context: (&Metrics, Moment),
    ) -> Result<Arc<Self>, UpstreamTlsError> {
        if self.settings == *settings {
            return Ok(Arc::clone(self));
        }
        let before = &self.settings.endpoints;
        let kept = |endpoint: &settings::Endpoint| {
            before.iter().position(|one| one.address == endpoint.address)
        };
        let kept: Vec<_> = settings.endpoints.iter().map(kept).collect();
        let same_connections = self.settings.speaks_as(settings);
        let id = |at: &Option<usize>| {
            let known = at.filter(|_| same_connections).and_then(|at| self.ids.get(at));
            known.copied().unwrap_or_else(next_id)
        };
        let ids = kept.iter().map(id).collect();
        let breaker = breaker_settings(settings);
        let same_breaker = self.settings.overload.breaker.consecutive_failures
            == settings.overload.breaker.consecutive_failures;
        let known = kept.iter().map(|at| at.filter(|_| same_breaker));
        // What a check of one kind has found says nothing of what another will.
        let same_check = same_connections && self.checks_as(settings);
        let standing = |at: &Option<usize>| {
            let known = self.fitness.as_ref().filter(|_| same_check);
            known?.standing((*at)?).cloned()
        };
        let standings = kept.iter().map(standing).collect();
        let parts = Parts {
            ids,
            admission: Arc::clone(&self.admission),
            breakers: self.breakers.successor(known, breaker),
            balancer: self.balancer.successor(kept),
            standings,
            looked_up: self.looked_up.clone().filter(|_| self.settings.dns == settings.dns),
            metrics: self.metrics.clone(),
        };
        Self::with(settings, parts, context)
    }

    /// Whether both ask an endpoint for the same.
    fn checks_as(&self, settings: &settings::Upstream) -> bool {
        let path = |one: &settings::Upstream| one.health.as_ref().map(|one| one.path.clone());
        path(&self.settings) == path(settings)
    }

    fn with(
        settings: &settings::Upstream,
        parts: Parts,
        (metrics, now): (&Metrics, Moment),
    ) -> Result<Arc<Self>, UpstreamTlsError> {
        let Parts { ids, balancer, admission, breakers, standings, looked_up, metrics: counts } =
            parts;
        let look_up = |dns: &settings::Dns| {
            let metrics = metrics.discovery(&settings.team, &settings.name);
            Arc::new(LookedUp::new(dns.clone(), metrics))
        };
        let fitness = fitness::is_wanted(settings).then(|| {
            let metrics = metrics.health(&settings.team, &settings.name);
            Fitness::new(settings, standings.into_iter(), metrics, now)
        });
        Ok(Arc::new(Self {
            ids,
            tls: Tls::of(settings)?,
            audience: format!("{}/{}", settings.team, settings.name).into(),
            addresses: settings.endpoints.iter().map(|one| one.to_string().into()).collect(),
            settings: settings.clone(),
            zones: zones(settings),
            looked_up: looked_up.or_else(|| settings.dns.as_ref().map(look_up)),
            balancer: balancer.placed(settings.endpoints.iter().map(place)),
            admission,
            breakers,
            fitness,
            metrics: counts,
        }))
    }

    /// An endpoint for a call that no breaker judges, counted as in flight until it ends. None
    /// where there is no endpoint, or all are drained.
    pub(crate) fn pick(&self, now: Moment) -> Option<Call> {
        let fit = self.fitness.as_ref().map(|fitness| fitness.fit(now, fastrand::u64(..)));
        self.balancer.pick(now, fastrand::u64(..), |at| fit.is_some_and(|fit| !fit.has(at)))
    }

    /// Puts what protects it in force as configured.
    pub(crate) fn enforce(&self) {
        let UpstreamOverload { concurrency, breaker } = &self.settings.overload;
        self.admission.apply(concurrency);
        self.breakers.switch().set(breaker.mode);
    }

    /// Whether a request has asked for its limit.
    pub(crate) fn is_limit_in_use(&self) -> bool {
        self.admission.is_in_use()
    }

    /// What protects it, as it stands.
    pub(crate) fn limits(&self, now: Moment) -> UpstreamLimits {
        let UpstreamOverload { concurrency, breaker } = &self.settings.overload;
        let endpoint = |(at, address): (usize, &Arc<str>)| {
            let breaker = self.breakers.breaker(at);
            EndpointLimits {
                address: Arc::clone(address),
                breaker: breaker.map_or(State::Closed, |breaker| breaker.state(now)),
                opened: breaker.map_or(0, Breaker::opened),
            }
        };
        UpstreamLimits {
            team: Arc::clone(&self.settings.team),
            name: Arc::clone(&self.settings.name),
            concurrency: *concurrency,
            gate: self.admission.state(),
            breaker: *breaker,
            breaker_counts: self.breakers.switch().counts(),
            endpoints: self.addresses.iter().enumerate().map(endpoint).collect(),
        }
    }

    /// The number by which an endpoint's connections are kept. One that does not exist has none.
    pub(crate) fn endpoint_id(&self, endpoint: usize) -> u64 {
        self.ids.get(endpoint).copied().unwrap_or(u64::MAX)
    }

    /// The head of a request that the edge itself makes, in the protocol that the endpoints speak.
    ///
    /// # Errors
    ///
    /// When the host can't stand in a URI.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &PathAndQuery,
    ) -> Result<Request<()>, http::Error> {
        let host = self.default_host();
        let mut request = Request::new(());
        *request.method_mut() = method;
        match self.settings.protocol {
            settings::Protocol::H1 => {
                *request.uri_mut() = Uri::from(path.clone());
                request.headers_mut().insert(HOST, host);
            }
            settings::Protocol::H2 | settings::Protocol::H2c => {
                *request.version_mut() = Version::HTTP_2;
                *request.uri_mut() = Uri::builder()
                    .scheme(self.settings.scheme())
                    .authority(host.as_bytes())
                    .path_and_query(path.clone())
                    .build()?;
            }
        }
        Ok(request)
    }

    /// The host for a client that names none: only HTTP/1.0 may.
    pub(crate) fn default_host(&self) -> HeaderValue {
        let question = self.settings.dns.as_ref().map(|dns| &dns.question);
        if let Some(question @ settings::Question::Addresses { .. }) = question
            && let Ok(host) = HeaderValue::try_from(question.to_string())
        {
            return host;
        }
        let first = self.settings.endpoints.first();
        let host = first.and_then(|endpoint| match &endpoint.address {
            settings::Address::Tcp(address) => HeaderValue::from_str(address).ok(),
            settings::Address::Unix(_) => None,
        });
        host.unwrap_or(HeaderValue::from_static("localhost"))
    }
}
