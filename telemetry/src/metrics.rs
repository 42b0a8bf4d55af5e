//! Handles to count with, made once for each route, upstream, identity source and edge.

mod arm;
mod config;
mod events;
mod facts;
mod idempotency;
mod mirror;
mod overload;
mod probe;
mod push;
mod store;
mod upstream;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use headgate_types::{Outcome, TraceId, UnixTime};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use parking_lot::Mutex;

pub use crate::metrics::{
    arm::{ArmCounts, ArmMetrics, ArmNames},
    config::ConfigMetrics,
    events::{GroupMetrics, TopicMetrics},
    facts::FactsMetrics,
    idempotency::{DynamoDbCounts, DynamoDbMetrics, HandlerMetrics, KeyCounts, KeyMetrics},
    mirror::MirrorMetrics,
    overload::{
        BreakerMetrics, GateLevels, GateMetrics, RetryBudgetMetrics, Ruling, RulingMetrics,
    },
    probe::ProbeMetrics,
    push::PushMetrics,
    store::{StoreCounts, StoreMetrics},
    upstream::{DiscoveryMetrics, HealthMetrics, UpstreamMetrics},
};
use crate::{
    catalog::{self, Metric, NAMES_MAX, NO_ROUTE, OTHER, Values},
    labels::{ArmToken, AttemptResult, BadHead, Denial, Listener, Refusal},
    registry::{Exemplar, Exemplars, Exporter, Registry},
};

/// Makes handles to the metrics of one process; a test makes its own and shares nothing.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    names: Arc<Mutex<Names>>,
}

/// The label values that are taken, so that they stay within [`NAMES_MAX`].
#[derive(Default)]
struct Names {
    routes: HashSet<(String, String)>,
    upstreams: HashSet<(String, String)>,
    sources: HashSet<(String, String)>,
    handlers: HashSet<(String, String)>,
    topics: HashSet<(String, String)>,
    probes: HashSet<(String, String)>,
    /// By team, route and arm.
    arms: HashMap<[String; 3], Arc<arm::Tally>>,
}

impl Metrics {
    /// Begins with every count at zero.
    pub fn new() -> Self {
        Self { registry: Arc::default(), names: Arc::default() }
    }

    /// Renders what these handles count.
    pub fn exporter(&self) -> Exporter {
        Exporter { registry: Arc::clone(&self.registry) }
    }

    /// The handles of one route. The same names give the same counts.
    pub fn route(&self, team: &str, route: &str) -> RouteMetrics {
        let (team, route) = bounded(&mut self.names.lock().routes, team, route);
        let names = [team, route];
        RouteMetrics {
            arrived: self.counter(&catalog::ARRIVED, &names),
            ended: Outcome::ALL
                .map(|outcome| self.counter(&catalog::ENDED, &[team, route, outcome.as_str()])),
            in_flight: self.gauge(&catalog::IN_FLIGHT, &names),
            duration: self.histogram(&catalog::DURATION, &names),
            exemplars: self.exemplars(&catalog::DURATION, &names),
            request_bytes: self.counter(&catalog::REQUEST_BYTES, &names),
            response_bytes: self.counter(&catalog::RESPONSE_BYTES, &names),
            retries: self.counter(&catalog::RETRIES, &names),
            replayed: self.counter(&catalog::REPLAYED, &names),
        }
    }

    /// The handles for requests that matched no route.
    pub fn no_route(&self) -> RouteMetrics {
        self.route(NO_ROUTE, NO_ROUTE)
    }

    /// The handles of one upstream. The same names give the same counts.
    pub fn upstream(&self, team: &str, upstream: &str) -> UpstreamMetrics {
        let (team, upstream) = bounded(&mut self.names.lock().upstreams, team, upstream);
        let names = [team, upstream];
        let state = |state| self.gauge(&catalog::UPSTREAM_CONNECTIONS, &[team, upstream, state]);
        UpstreamMetrics {
            attempts: AttemptResult::ALL
                .map(|result| self.counter(&catalog::ATTEMPTS, &[team, upstream, result.as_str()])),
            connect: self.histogram(&catalog::CONNECT_DURATION, &names),
            head: self.histogram(&catalog::HEAD_DURATION, &names),
            in_use: state("in_use"),
            idle: state("idle"),
            opened: self.counter(&catalog::OPENED_CONNECTIONS, &names),
            reused: self.counter(&catalog::REUSED, &names),
        }
    }

    /// The handles of the edge as a whole.
    pub fn edge(&self) -> EdgeMetrics {
        let connections =
            |listener: Listener| self.gauge(&catalog::CONNECTIONS, &[listener.as_str()]);
        let accepted = |listener: Listener| self.counter(&catalog::ACCEPTED, &[listener.as_str()]);
        EdgeMetrics {
            connections: Listener::ALL.map(connections),
            accepted: Listener::ALL.map(accepted),
            refused: Refusal::ALL.map(|reason| self.counter(&catalog::REFUSED, &[reason.as_str()])),
            bad_heads: BadHead::ALL
                .map(|reason| self.counter(&catalog::BAD_HEADS, &[reason.as_str()])),
            tls_begun: self.counter(&catalog::TLS_BEGUN, &[]),
            arm_tokens: ArmToken::ALL
                .map(|result| self.counter(&catalog::ARM_TOKENS, &[result.as_str()])),
            draining: self.gauge(&catalog::DRAINING, &[]),
            passports: self.counter(&catalog::SIGNED_PASSPORTS, &[]),
            users: self.users(),
        }
    }

    /// The handles of one identity source. The same name gives the same counts.
    pub fn identity(&self, source: &str) -> IdentityMetrics {
        let (_, source) = bounded(&mut self.names.lock().sources, "", source);
        let lookup = |result| self.counter(&catalog::IDENTITY_LOOKUPS, &[source, result]);
        let fetch = |result| self.counter(&catalog::KEY_FETCHES, &[source, result]);
        IdentityMetrics {
            hits: lookup("hit"),
            misses: lookup("miss"),
            denied: Denial::ALL
                .map(|reason| self.counter(&catalog::IDENTITY_DENIED, &[source, reason.as_str()])),
            fetched: fetch("ok"),
            fetch_failed: fetch("failed"),
        }
    }

    /// Ends all series of a metric; what its handles count from then on is told nowhere.
    pub(crate) fn forget(&self, metric: &'static Metric) {
        self.registry.forget(metric);
    }

    pub(crate) fn counter(&self, metric: &'static Metric, values: &[&str]) -> Counter {
        self.registry.register_counter(&key(metric, values), &METADATA)
    }

    pub(crate) fn gauge(&self, metric: &'static Metric, values: &[&str]) -> Gauge {
        self.registry.register_gauge(&key(metric, values), &METADATA)
    }

    pub(crate) fn histogram(&self, metric: &'static Metric, values: &[&str]) -> Histogram {
        self.registry.register_histogram(&key(metric, values), &METADATA)
    }

    pub(crate) fn exemplars(&self, metric: &'static Metric, values: &[&str]) -> Exemplars {
        self.registry.exemplars(&key(metric, values))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

fn key(metric: &'static Metric, values: &[&str]) -> Key {
    debug_assert_eq!(metric.labels.len(), values.len(), "{} has other labels", metric.name);
    let labels = metric.labels.iter().zip(values).map(|(label, value)| {
        debug_assert!(match label.values {
            Values::Configured => true,
            Values::Words(words) => words().contains(value),
        });
        Label::new(label.name, (*value).to_owned())
    });
    Key::from_parts(metric.name, labels.collect::<Vec<_>>())
}

/// Takes a place for the pair, or gives the one that all later pairs share.
fn bounded<'a>(
    taken: &mut HashSet<(String, String)>,
    team: &'a str,
    name: &'a str,
) -> (&'a str, &'a str) {
    let pair = (team.to_owned(), name.to_owned());
    if taken.contains(&pair) || taken.len() < NAMES_MAX {
        taken.insert(pair);
        (team, name)
    } else {
        (OTHER, OTHER)
    }
}

/// Counts the exchanges of one route.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    arrived: Counter,
    ended: [Counter; Outcome::ALL.len()],
    in_flight: Gauge,
    duration: Histogram,
    exemplars: Exemplars,
    request_bytes: Counter,
    response_bytes: Counter,
    retries: Counter,
    replayed: Counter,
}

impl RouteMetrics {
    /// Counts an exchange that begins. Each must be followed by one [`Self::ended`].
    pub fn arrived(&self) {
        self.arrived.increment(1);
        self.in_flight.increment(1.0);
    }

    /// Counts the end of an exchange that lasted so long since the request's head.
    pub fn ended(&self, outcome: Outcome, duration: Duration) {
        increment(&self.ended, outcome.index());
        self.in_flight.decrement(1.0);
        self.duration.record(duration.as_secs_f64());
    }

    /// Shows the trace of one that ended at a time and lasted so long, beside the count of others
    /// that did. For those only whose trace can be looked up.
    pub fn exemplify(&self, duration: Duration, trace: TraceId, time: UnixTime) {
        self.exemplars.keep(Exemplar { trace, value: duration.as_secs_f64(), time });
    }

    /// Counts body bytes, read from and sent to the client.
    pub fn transferred(&self, request_bytes: u64, response_bytes: u64) {
        if request_bytes > 0 {
            self.request_bytes.increment(request_bytes);
        }
        self.response_bytes.increment(response_bytes);
    }

    /// Counts an attempt after the first.
    pub fn retried(&self) {
        self.retries.increment(1);
    }

    /// Counts a request that got an answer which was given before.
    pub fn replayed(&self) {
        self.replayed.increment(1);
    }
}

/// Counts what belongs to no route.
#[derive(Clone, Debug)]
pub struct EdgeMetrics {
    connections: [Gauge; Listener::ALL.len()],
    accepted: [Counter; Listener::ALL.len()],
    refused: [Counter; Refusal::ALL.len()],
    bad_heads: [Counter; BadHead::ALL.len()],
    tls_begun: Counter,
    arm_tokens: [Counter; ArmToken::ALL.len()],
    draining: Gauge,
    passports: Counter,
    users: overload::Users,
}

impl EdgeMetrics {
    /// Counts a client's connection that begins. Each must be followed by one
    /// [`Self::connection_closed`].
    pub fn connection_opened(&self, listener: Listener) {
        increment(&self.accepted, listener.index());
        if let Some(open) = self.connections.get(listener.index()) {
            open.increment(1.0);
        }
    }

    /// Counts a client's connection that ended.
    pub fn connection_closed(&self, listener: Listener) {
        if let Some(open) = self.connections.get(listener.index()) {
            open.decrement(1.0);
        }
    }

    /// Counts a client's connection that a limit refused; it was never counted as open.
    pub fn connection_refused(&self, reason: Refusal) {
        increment(&self.refused, reason.index());
    }

    /// Counts a request head that never became an exchange.
    pub fn bad_head(&self, reason: BadHead) {
        increment(&self.bad_heads, reason.index());
    }

    /// Counts a TLS handshake that began.
    pub fn tls_began(&self) {
        self.tls_begun.increment(1);
    }

    /// Counts a tester's token.
    pub fn arm_token(&self, result: ArmToken) {
        increment(&self.arm_tokens, result.index());
    }

    /// Notes that the edge drains.
    pub fn drains(&self) {
        self.draining.set(1.0);
    }

    /// Counts a Passport that was signed.
    pub fn passport_signed(&self) {
        self.passports.increment(1);
    }
}

/// Counts what one identity source does.
#[derive(Clone, Debug)]
pub struct IdentityMetrics {
    hits: Counter,
    misses: Counter,
    denied: [Counter; Denial::ALL.len()],
    fetched: Counter,
    fetch_failed: Counter,
}

impl IdentityMetrics {
    /// Counts a credential found among the verified ones.
    pub fn cache_hit(&self) {
        self.hits.increment(1);
    }

    /// Counts a credential that had to be verified.
    pub fn cache_missed(&self) {
        self.misses.increment(1);
    }

    /// Counts a request that was denied.
    pub fn denied(&self, reason: Denial) {
        increment(&self.denied, reason.index());
    }

    /// Counts keys that were fetched.
    pub fn keys_fetched(&self) {
        self.fetched.increment(1);
    }

    /// Counts a fetch of keys that failed.
    pub fn keys_fetch_failed(&self) {
        self.fetch_failed.increment(1);
    }
}

fn increment(counters: &[Counter], index: usize) {
    if let Some(counter) = counters.get(index) {
        counter.increment(1);
    }
}
