//! The settings, compiled: what exchanges hold, and what of it outlasts a change.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use headgate_idempotency::Records;
use headgate_router::{
    device::Classifier,
    overload::throttle::Throttle,
    retry::{Budget, Policy},
    table::Table,
};
use headgate_telemetry::{Metrics, RouteMetrics, RulingMetrics, access::Members};
use headgate_types::Clock;
use http::{HeaderValue, uri::PathAndQuery};

use crate::{
    edge::{BuildError, Edge, Terms},
    facts::Watches,
    identity::{self, Authenticator, FetchKeys},
    mirror::Mirror,
    overload::{Admission, RouteRate},
    settings::{self, RouteOverload, Settings},
    split::{Arm, Split},
    step::idempotency::Keys,
    testers::Testers,
    upstream::Upstream,
};

/// The class of a device that no rule knows.
const UNKNOWN_DEVICE: &str = "unknown";

/// What settings are compiled with.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) fetch: Arc<dyn FetchKeys>,
    pub(super) records: Option<Records>,
}

/// The routing side of the settings, compiled; an exchange keeps the one that it began with until
/// its answer begins.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) terms: Arc<Terms>,
    pub(crate) table: Arc<Table>,
    pub(crate) classifier: Arc<Classifier>,
    pub(crate) needs_claims: bool,
    /// Who may ask what the edge makes of a caller. None: nobody.
    pub(crate) whoami: Option<settings::Auth>,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(super) upstreams: Vec<Arc<Upstream>>,
    /// Functions that handle events.
    pub(super) functions: Arc<Functions>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) identity_names: Vec<Arc<str>>,
    /// Who may choose an arm. None: nobody.
    pub(crate) testers: Option<Arc<Testers>>,
    /// What facts hold of a request.
    pub(crate) watches: Arc<Watches>,
    /// The `headgate-device` value of each class.
    devices: Vec<(Arc<str>, HeaderValue)>,
}

/// Functions that handle events, by the scopes of their handlers.
pub(crate) type Functions = HashMap<String, Function>;

/// A function as it is called.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) path: PathAndQuery,
    /// Time of one call.
    pub(crate) timeout: Duration,
}

/// A route as the data path uses it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) settings: settings::Route,
    pub(crate) timeout: Duration,
    /// Where its requests go, unless they are split. None: nowhere, they become events.
    pub(super) upstream: Option<Arc<Upstream>>,
    /// How its requests are divided. None: all go to the upstream.
    pub(crate) split: Option<Box<Split>>,
    /// What gets copies of its requests. None: nothing.
    pub(crate) mirror: Option<Arc<Mirror>>,
    pub(crate) metrics: RouteMetrics,
    /// What the access line of each of its exchanges says of it, unless an arm says more.
    members: Members,
    /// What layers say of its requests, made when one first says something.
    rulings: OnceLock<RulingMetrics>,
    /// What it matches, made when an exchange of it is first kept.
    matches: OnceLock<Members>,
    pub(crate) retry: Policy,
    pub(crate) budget: Arc<Budget>,
    /// The route's own limit of requests at once. None: it has none.
    pub(crate) admission: Option<Arc<Admission>>,
    /// Its rates, in the order of its settings.
    pub(crate) rates: Vec<Arc<RouteRate>>,
    /// Refuses a share of its requests while it fails.
    pub(crate) throttle: Arc<Throttle>,
    /// What answers in its upstream's place, where another upstream does.
    fallback: Option<Arc<Upstream>>,
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

    pub(super) fn withdraw(&self) {
        self.0.store(true, Ordering::Release);
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
    pub(super) fn compile(
        settings: &Settings,
        tools: &Tools,
        digest: &str,
        before: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let (known, now) = (before.map(Known::of).unwrap_or_default(), tools.clock.now());
        let upstream = |one: &settings::Upstream| {
            known.upstreams.get(&(&*one.team, &*one.name)).map_or_else(
                || Upstream::new(one, (&tools.metrics, now)),
                |before| before.successor(one, (&tools.metrics, now)),
            )
        };
        let upstreams: Vec<_> =
            settings.upstreams.iter().map(upstream).collect::<Result<_, _>>()?;
        let patterns = settings.routes.iter().map(|route| route.pattern.clone()).enumerate();
        let table = Table::build(patterns).map_err(BuildError::Ties)?;
        let route = |one: &settings::Route| {
            let before = known.routes.get(&(&*one.team, &*one.name)).copied();
            let timeout = one.timeout.unwrap_or(settings.edge.limits.request_timeout);
            Route::compile((one, timeout), &upstreams, tools, before)
        };
        let classes = settings.devices.iter().map(|rule| &rule.name);
        let function = |one: &settings::Handler| {
            let upstream = Arc::clone(upstreams.get(one.upstream)?);
            let (path, timeout) = (one.path.clone(), one.timeout);
            Some((one.scope(), Function { upstream, path, timeout }))
        };
        let functions = Arc::new(settings.handlers.iter().filter_map(function).collect());
        let device = |class: &Arc<str>| (Arc::clone(class), HeaderValue::from_str(class));
        let identity = &settings.identity;
        let classifier = Classifier::new(settings.devices.iter().cloned());
        Ok(Self {
            whoami: settings.whoami.clone(),
            needs_claims: classifier.needs_claims() || table.needs_claims(),
            terms: Arc::new(Terms::new(&settings.edge, &tools.metrics, digest)),
            table: Arc::new(table),
            classifier: Arc::new(classifier),
            routes: settings.routes.iter().map(route).collect::<Result<_, _>>()?,
            functions,
            authenticator: authenticator(identity, tools, before)?,
            watches: Arc::new(Watches::of(settings)),
            identity_names: identity.iter().map(|source| Arc::clone(&source.name)).collect(),
            testers: match &settings.testers {
                Some(testers) => Some(Arc::new(Testers::new(testers, tools)?)),
                None => None,
            },
            devices: classes
                .map(device)
                .filter_map(|(class, value)| Some((class, value.ok()?)))
                .collect(),
            upstreams,
        })
    }

    /// Puts what protects upstreams and routes in force as configured. What was learnt stays.
    pub(super) fn enforce(&self) {
        self.upstreams.iter().for_each(|upstream| upstream.enforce());
        self.routes.iter().for_each(|route| route.enforce());
    }

    /// All upstreams.
    pub(crate) fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
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

/// In the place of an arm: the upstream that answers in the route's own place.
pub(crate) const FALLBACK: usize = usize::MAX;

/// A route's rates. One that counts as one before keeps what that has counted.
fn rates(one: &settings::Route, before: Option<&Arc<Route>>) -> Vec<Arc<RouteRate>> {
    let known = |settings: &settings::RateLimit| {
        let mut known = before?.rates.iter();
        known.find(|rate| rate.counts_as(settings)).cloned()
    };
    let rates = one.overload.rates.iter();
    rates.map(|rate| known(rate).unwrap_or_else(|| RouteRate::new(rate))).collect()
}

impl Route {
    pub(super) fn compile(
        (one, timeout): (&settings::Route, Duration),
        upstreams: &[Arc<Upstream>],
        tools: &Tools,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, BuildError> {
        let upstream = one.upstream.and_then(|index| upstreams.get(index)).cloned();
        if upstream.is_none() && one.publish.is_none() {
            let (team, route) = (Arc::clone(&one.team), Arc::clone(&one.name));
            return Err(BuildError::Upstream { team, route });
        }
        let leads_to = match (&upstream, &one.publish) {
            (Some(upstream), _) => ("upstream", &*upstream.settings.name),
            (None, Some(publish)) => ("topic", &*publish.topic),
            (None, None) => ("upstream", ""),
        };
        if let Some(before) = before
            && before.sends_to(one, upstreams)
            && before.timeout == timeout
            && before.settings == *one
        {
            return Ok(Arc::clone(before));
        }
        let budget = before.filter(|before| before.settings.retry.budget == one.retry.budget);
        let end = before.filter(|before| before.leads_where(one, upstreams));
        Ok(Arc::new(Self {
            settings: one.clone(),
            timeout,
            metrics: tools.metrics.route(&one.team, &one.name),
            members: Members::of(&[("team", &one.team), ("route", &one.name), leads_to]),
            rulings: OnceLock::new(),
            matches: OnceLock::new(),
            retry: Policy::new(one.retry.max, &one.retry.on),
            budget: budget.map_or_else(
                || Arc::new(Budget::new(one.retry.budget, tools.clock.now())),
                |before| Arc::clone(&before.budget),
            ),
            admission: one.overload.concurrency.as_ref().map(|settings| {
                let known = before.and_then(|before| before.admission.as_ref());
                known.map_or_else(|| Admission::new(settings), Arc::clone)
            }),
            rates: rates(one, before),
            throttle: before.map_or_else(Arc::default, |before| Arc::clone(&before.throttle)),
            fallback: match one.overload.fallback {
                Some(settings::Fallback::Upstream(index)) => upstreams.get(index).cloned(),
                _ => None,
            },
            end: end.map_or_else(Arc::default, |before| Arc::clone(&before.end)),
            split: Split::compile(one, upstreams, tools)?,
            mirror: Mirror::compile(one, upstreams, tools, before)?,
            upstream,
            keys: Keys::of(one, tools.records.as_ref())?,
        }))
    }

    /// Whether a route's upstreams are the very ones that this one has.
    pub(super) fn sends_to(&self, one: &settings::Route, upstreams: &[Arc<Upstream>]) -> bool {
        let is = |own: &Arc<Upstream>, index: usize| {
            upstreams.get(index).is_some_and(|other| Arc::ptr_eq(own, other))
        };
        let arms = self.split.iter().flat_map(|split| split.arms());
        let is_own = match (&self.upstream, one.upstream) {
            (Some(own), Some(index)) => is(own, index),
            (own, index) => own.is_none() && index.is_none(),
        };
        let fallback = match one.overload.fallback {
            Some(settings::Fallback::Upstream(index)) => Some(index),
            _ => None,
        };
        is_own
            && (self.fallback.iter().zip(fallback)).all(|(own, other)| is(own, other))
            && arms.zip(targets(one)).all(|(arm, index)| is(&arm.upstream, index))
            && (self.mirror.iter().zip(&one.mirror))
                .all(|(own, other)| is(&own.upstream, other.upstream))
    }

    /// Whether a route takes the same requests to all upstreams of this one, so that its tunnels
    /// may stay.
    fn leads_where(&self, one: &settings::Route, upstreams: &[Arc<Upstream>]) -> bool {
        let after: Vec<_> = targets(one).filter_map(|index| upstreams.get(index)).collect();
        let is_left =
            |own: &Arc<Upstream>| after.iter().any(|other| other.audience == own.audience);
        let all = match &self.split {
            Some(split) => split.arms().all(|arm| is_left(&arm.upstream)),
            None => self.upstream.as_ref().is_none_or(is_left),
        };
        self.settings.pattern == one.pattern && all
    }

    /// Puts what protects it in force as configured.
    fn enforce(&self) {
        if let (Some(admission), Some(settings)) =
            (&self.admission, &self.settings.overload.concurrency)
        {
            admission.apply(settings);
        }
        let RouteOverload { rates, throttle, retry, .. } = &self.settings.overload;
        for (rate, settings) in self.rates.iter().zip(rates) {
            rate.apply(settings.mode);
        }
        self.throttle.switch().set(*throttle);
        self.budget.switch().set(*retry);
    }

    /// The arm that a request drew; none where requests are not split.
    pub(crate) fn arm(&self, drawn: Option<usize>) -> Option<&Arm> {
        if drawn == Some(FALLBACK) {
            return None;
        }
        self.split.as_ref()?.arm(drawn)
    }

    /// Where a request that drew an arm, or none, is sent. None: nowhere, it becomes an event.
    pub(crate) fn upstream(&self, drawn: Option<usize>) -> Option<&Arc<Upstream>> {
        if let Some(upstream) = self.fallback.as_ref().filter(|_| drawn == Some(FALLBACK)) {
            return Some(upstream);
        }
        self.arm(drawn).map_or(self.upstream.as_ref(), |arm| Some(&arm.upstream))
    }

    /// Counts what layers say of its requests.
    pub(crate) fn rulings(&self, edge: &Edge) -> &RulingMetrics {
        let make = || edge.rulings(&self.settings.team, &self.settings.name);
        self.rulings.get_or_init(make)
    }

    /// What the route matches, for whoever asks why.
    pub(crate) fn matches(&self) -> &Members {
        self.matches.get_or_init(|| Members::of(&[("match", &self.settings.pattern.to_string())]))
    }

    /// What the access line of such a request says of its route.
    pub(crate) fn members(&self, drawn: Option<usize>) -> &Members {
        self.arm(drawn).map_or(&self.members, |arm| &arm.members)
    }
}

/// The upstreams that answer a route's requests: of all arms, the rest's last, or the one.
fn targets(route: &settings::Route) -> impl Iterator<Item = usize> {
    let arms = route.split.iter().flat_map(|split| split.arms.iter().chain([&split.rest]));
    let own = route.upstream.filter(|_| route.split.is_none());
    arms.map(|arm| arm.upstream).chain(own)
}
