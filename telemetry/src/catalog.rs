//! Every metric of the edge: name, kind, unit, help and labels, in one place.
//!
//! Names are `headgate_<crate>_<thing>_<unit>[_total]`. A label's values are bounded: either the
//! fixed words listed here, or names from the configuration, of which [`NAMES_MAX`] are told apart.

mod page;
mod unit;

use headgate_types::{Class, Outcome};

pub use self::{page::markdown, unit::Unit};
use crate::labels::{
    ArmToken, AttemptResult, BadHead, BreakerState, Denial, Layer, LayerReason, Listener,
    MirrorResult, ProbeResult, Refusal, Reload, Ruled, Settled,
};

/// Names that each of team and route, team and upstream, team, route and arm, and identity source
/// may bring; what comes after shares the name [`OTHER`], so that sums stay true and memory stays
/// bounded.
pub const NAMES_MAX: usize = 4_096;

/// The name of everything above [`NAMES_MAX`]. Names in the configuration never begin with `_`.
pub const OTHER: &str = "_other";

/// Team and route of a request that matched no route.
pub const NO_ROUTE: &str = "_none";

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// The name under which it is exported.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What one of it is.
    pub unit: Unit,
    /// What it tells, for whoever reads a dashboard.
    pub help: &'static str,
    /// Its labels, in the order in which handles give their values.
    pub labels: &'static [Label],
}

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only upward, from zero at the start of the process.
    Counter,
    /// Both ways.
    Gauge,
    /// Counts of values at or below each of these bounds, ascending.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word of the Prometheus text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// One label of a metric.
#[derive(Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it can be.
    pub values: Values,
}

/// What a label can be.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// A name from the configuration.
    Configured,
    /// One of these words.
    Words(fn() -> Vec<&'static str>),
}

const TEAM: Label = Label { name: "team", values: Values::Configured };
const ROUTE: Label = Label { name: "route", values: Values::Configured };
const UPSTREAM: Label = Label { name: "upstream", values: Values::Configured };
const ARM: Label = Label { name: "arm", values: Values::Configured };
const SOURCE: Label = Label { name: "source", values: Values::Configured };
const DIGEST: Label = Label { name: "digest", values: Values::Configured };
const OUTCOME: Label =
    Label { name: "outcome", values: Values::Words(|| Outcome::ALL.map(Outcome::as_str).to_vec()) };
const ATTEMPT_RESULT: Label = Label {
    name: "result",
    values: Values::Words(|| AttemptResult::ALL.map(AttemptResult::as_str).to_vec()),
};
const ARM_TOKEN: Label = Label {
    name: "result",
    values: Values::Words(|| ArmToken::ALL.map(ArmToken::as_str).to_vec()),
};
const MIRROR_RESULT: Label = Label {
    name: "result",
    values: Values::Words(|| MirrorResult::ALL.map(MirrorResult::as_str).to_vec()),
};
const SIDE: Label = Label { name: "side", values: Values::Words(|| vec!["caller", "mirror"]) };
const USER: Label = Label { name: "usage", values: Values::Words(|| vec!["ordinary", "heavy"]) };
const LISTENER: Label = Label {
    name: "listener",
    values: Values::Words(|| Listener::ALL.map(Listener::as_str).to_vec()),
};
const REFUSAL: Label =
    Label { name: "reason", values: Values::Words(|| Refusal::ALL.map(Refusal::as_str).to_vec()) };
const BAD_HEAD: Label =
    Label { name: "reason", values: Values::Words(|| BadHead::ALL.map(BadHead::as_str).to_vec()) };
const DENIAL: Label =
    Label { name: "reason", values: Values::Words(|| Denial::ALL.map(Denial::as_str).to_vec()) };
const CONNECTION_STATE: Label =
    Label { name: "state", values: Values::Words(|| vec!["in_use", "idle"]) };
const HEALTH_STATE: Label =
    Label { name: "state", values: Values::Words(|| vec!["healthy", "unhealthy", "drained"]) };
const LOOKUP: Label = Label { name: "result", values: Values::Words(|| vec!["hit", "miss"]) };
const FETCH: Label = Label { name: "result", values: Values::Words(|| vec!["ok", "failed"]) };
const PROBE: Label = Label { name: "probe", values: Values::Configured };
const PROBE_RESULT: Label = Label {
    name: "result",
    values: Values::Words(|| ProbeResult::ALL.map(ProbeResult::as_str).to_vec()),
};
const HANDLER: Label = Label { name: "handler", values: Values::Configured };
const TOPIC: Label = Label { name: "topic", values: Values::Configured };
const SETTLEMENT: Label = Label {
    name: "settlement",
    values: Values::Words(|| Settled::ALL.map(Settled::as_str).to_vec()),
};
const RELOAD: Label =
    Label { name: "result", values: Values::Words(|| Reload::ALL.map(Reload::as_str).to_vec()) };
const LINE: Label = Label { name: "result", values: Values::Words(|| vec!["written", "dropped"]) };
const SPAN: Label = Label { name: "result", values: Values::Words(|| vec!["exported", "dropped"]) };
const ACCESS_LINE: Label =
    Label { name: "result", values: Values::Words(|| vec!["written", "dropped", "left_out"]) };

const CLASS: Label =
    Label { name: "class", values: Values::Words(|| Class::ALL.map(Class::as_str).to_vec()) };
const LAYER: Label =
    Label { name: "layer", values: Values::Words(|| Layer::ALL.map(Layer::as_str).to_vec()) };
const RULED_AS: Label =
    Label { name: "ruled", values: Values::Words(|| Ruled::ALL.map(Ruled::as_str).to_vec()) };
const LAYER_REASON: Label = Label {
    name: "reason",
    values: Values::Words(|| LayerReason::ALL.map(LayerReason::as_str).to_vec()),
};
const SCOPE: Label = Label { name: "scope", values: Values::Words(|| vec!["upstream", "route"]) };
const NAME: Label = Label { name: "name", values: Values::Configured };
const BREAKER_STATE: Label = Label {
    name: "state",
    values: Values::Words(|| BreakerState::ALL.map(BreakerState::as_str).to_vec()),
};

/// Bounds for latencies, in seconds: from what one loopback hop takes to the longest timeouts, no
/// neighbors more than 2.5 apart, so that an interpolated percentile is within that factor.
pub const LATENCY_BOUNDS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0,
];

macro_rules! catalog {
    ($($(#[doc = $help:literal])+ $id:ident: $kind:expr, $unit:ident, $name:literal, [$($label:expr),*];)+) => {
        $(
            $(#[doc = $help])+
            pub static $id: Metric = Metric {
                name: $name,
                kind: $kind,
                unit: Unit::$unit,
                help: concat!($($help),+).trim_ascii(),
                labels: &[$($label),*],
            };
        )+

        /// Every metric, in the order of the reference page.
        pub static ALL: &[&Metric] = &[$(&$id),+];
    };
}

catalog! {
    /// Requests that matched the route. Equals ended plus in-flight requests.
    ARRIVED: Kind::Counter, Requests, "headgate_gateway_arrived_requests_total", [TEAM, ROUTE];
    /// Exchanges that ended, by outcome.
    ENDED: Kind::Counter, Requests, "headgate_gateway_ended_requests_total", [TEAM, ROUTE, OUTCOME];
    /// Exchanges that have begun and not ended.
    IN_FLIGHT: Kind::Gauge, Requests, "headgate_gateway_in_flight_requests", [TEAM, ROUTE];
    /// Time from a request's head to the end of its exchange.
    DURATION: Kind::Histogram(LATENCY_BOUNDS), Seconds, "headgate_gateway_exchange_duration_seconds", [TEAM, ROUTE];
    /// Bytes of request bodies read from clients.
    REQUEST_BYTES: Kind::Counter, Bytes, "headgate_gateway_request_body_bytes_total", [TEAM, ROUTE];
    /// Bytes of response bodies sent to clients.
    RESPONSE_BYTES: Kind::Counter, Bytes, "headgate_gateway_response_body_bytes_total", [TEAM, ROUTE];
    /// Attempts after the first one of an exchange.
    RETRIES: Kind::Counter, Attempts, "headgate_gateway_retry_attempts_total", [TEAM, ROUTE];
    /// Requests that were answered with the first answer to their `idempotency-key`. Beside them, outcomes `idempotency_*` and `store_unavailable` tell what else keys led to.
    REPLAYED: Kind::Counter, Requests, "headgate_gateway_replayed_requests_total", [TEAM, ROUTE];
    /// Exchanges of a split route that ended, by the arm that was drawn and by outcome.
    ARM_ENDED: Kind::Counter, Requests, "headgate_gateway_arm_ended_requests_total", [TEAM, ROUTE, ARM, OUTCOME];
    /// Time from a request's head to the end of its exchange, on a split route, by the arm that was drawn.
    ARM_DURATION: Kind::Histogram(LATENCY_BOUNDS), Seconds, "headgate_gateway_arm_exchange_duration_seconds", [TEAM, ROUTE, ARM];
    /// Requests on split routes with a tester's token in `headgate-arm`, by what it was good for. A token that is good for nothing is ignored.
    ARM_TOKENS: Kind::Counter, Requests, "headgate_gateway_arm_token_requests_total", [ARM_TOKEN];
    /// Requests that were drawn for a copy to the route's mirror, by what became of the copy.
    MIRROR_REQUESTS: Kind::Counter, Requests, "headgate_gateway_mirror_requests_total", [TEAM, ROUTE, MIRROR_RESULT];
    /// Time to the head of an answer, of requests that were copied, on the caller's side and on the mirror's.
    MIRROR_HEAD_DURATION: Kind::Histogram(LATENCY_BOUNDS), Seconds, "headgate_gateway_mirror_head_duration_seconds", [TEAM, ROUTE, SIDE];
    /// What protective layers said of requests, each layer that a request met once. Reason `none` is that of who was admitted; `would_refuse` passed, because the layer only observes.
    RULED: Kind::Counter, Requests, "headgate_gateway_ruled_requests_total", [TEAM, ROUTE, CLASS, LAYER, RULED_AS, LAYER_REASON];
    /// Requests that protective layers ruled on, by whether their user had asked for much of late: for more than three times what the median user did. A flood of few users should be refused, and the others not.
    USER_REQUESTS: Kind::Counter, Requests, "headgate_gateway_user_requests_total", [CLASS, USER, RULED_AS];
    /// The concurrency limit of an upstream or a route. As all that follows of limits and breakers, read twice a second.
    GATE_LIMIT: Kind::Gauge, Requests, "headgate_gateway_limit_requests", [TEAM, SCOPE, NAME];
    /// Requests that hold a permit of the limit.
    GATE_IN_FLIGHT: Kind::Gauge, Requests, "headgate_gateway_permitted_requests", [TEAM, SCOPE, NAME, CLASS];
    /// Requests that wait for a permit.
    GATE_QUEUED: Kind::Gauge, Requests, "headgate_gateway_queued_requests", [TEAM, SCOPE, NAME];
    /// What a call takes without load, as the limit has learnt it; 0 until it has.
    GATE_NO_LOAD: Kind::Gauge, Seconds, "headgate_gateway_no_load_rtt_seconds", [TEAM, SCOPE, NAME];
    /// The first rank that is shed; 512 while none is.
    GATE_THRESHOLD: Kind::Gauge, Ranks, "headgate_gateway_shed_from_ranks", [TEAM, SCOPE, NAME];
    /// Retries that the route's budget has left.
    RETRY_BUDGET: Kind::Gauge, Attempts, "headgate_gateway_retry_budget_attempts", [TEAM, ROUTE];
    /// Endpoints of the upstream, by the state of their breakers.
    BREAKERS: Kind::Gauge, Endpoints, "headgate_gateway_breaker_endpoints", [TEAM, UPSTREAM, BREAKER_STATE];
    /// Endpoints of the upstream that is checked, warmed up or drained. A drained one is counted as such alone.
    HEALTH: Kind::Gauge, Endpoints, "headgate_gateway_health_endpoints", [TEAM, UPSTREAM, HEALTH_STATE];
    /// Health checks of the upstream's endpoints.
    HEALTH_CHECKS: Kind::Counter, Checks, "headgate_gateway_health_checks_total", [TEAM, UPSTREAM, FETCH];
    /// Looks for the endpoints of the upstream, where they are looked up by DNS. One that failed has changed nothing.
    DISCOVERY_LOOKUPS: Kind::Counter, Lookups, "headgate_gateway_discovery_lookups_total", [TEAM, UPSTREAM, FETCH];
    /// Endpoints that were found at the last good look.
    DISCOVERED: Kind::Gauge, Endpoints, "headgate_gateway_discovery_endpoints", [TEAM, UPSTREAM];
    /// When the last good look was, in seconds since 1970; 0 before the first.
    DISCOVERY_GOOD: Kind::Gauge, Seconds, "headgate_gateway_discovery_last_success_timestamp_seconds", [TEAM, UPSTREAM];
    /// Attempts at the upstream, by result.
    ATTEMPTS: Kind::Counter, Attempts, "headgate_gateway_upstream_attempts_total", [TEAM, UPSTREAM, ATTEMPT_RESULT];
    /// Time to open a connection to the upstream.
    CONNECT_DURATION: Kind::Histogram(LATENCY_BOUNDS), Seconds, "headgate_gateway_upstream_connect_duration_seconds", [TEAM, UPSTREAM];
    /// Time from an attempt's begin to the head of its answer.
    HEAD_DURATION: Kind::Histogram(LATENCY_BOUNDS), Seconds, "headgate_gateway_upstream_head_duration_seconds", [TEAM, UPSTREAM];
    /// Connections to the upstream.
    UPSTREAM_CONNECTIONS: Kind::Gauge, Connections, "headgate_gateway_upstream_connections", [TEAM, UPSTREAM, CONNECTION_STATE];
    /// Connections to the upstream that were opened.
    OPENED_CONNECTIONS: Kind::Counter, Connections, "headgate_gateway_upstream_opened_connections_total", [TEAM, UPSTREAM];
    /// Attempts that went over a connection that was open already.
    REUSED: Kind::Counter, Attempts, "headgate_gateway_upstream_reused_attempts_total", [TEAM, UPSTREAM];
    /// Connections of clients that are open.
    CONNECTIONS: Kind::Gauge, Connections, "headgate_gateway_open_connections", [LISTENER];
    /// Connections of clients that were accepted.
    ACCEPTED: Kind::Counter, Connections, "headgate_gateway_accepted_connections_total", [LISTENER];
    /// Connections of clients that a limit refused.
    REFUSED: Kind::Counter, Connections, "headgate_gateway_refused_connections_total", [REFUSAL];
    /// Request heads that never became an exchange; they are in no route's sums.
    BAD_HEADS: Kind::Counter, Heads, "headgate_gateway_bad_heads_total", [BAD_HEAD];
    /// TLS handshakes that began. Those that are not among the accepted connections of listener `tls` failed or are under way.
    TLS_BEGUN: Kind::Counter, Handshakes, "headgate_gateway_tls_begun_handshakes_total", [];
    /// Whether the edge drains: 1 from the signal to the end of the process.
    DRAINING: Kind::Gauge, Flag, "headgate_gateway_draining_flag", [];
    /// Credentials looked up among the verified ones.
    IDENTITY_LOOKUPS: Kind::Counter, Lookups, "headgate_gateway_identity_cache_lookups_total", [SOURCE, LOOKUP];
    /// Requests that an identity source denied, by reason.
    IDENTITY_DENIED: Kind::Counter, Requests, "headgate_gateway_identity_denied_requests_total", [SOURCE, DENIAL];
    /// Fetches of an identity source's keys.
    KEY_FETCHES: Kind::Counter, Fetches, "headgate_gateway_identity_key_fetches_total", [SOURCE, FETCH];
    /// Passports signed, as far as none that was still fresh could be used again.
    SIGNED_PASSPORTS: Kind::Counter, Passports, "headgate_gateway_signed_passports_total", [];
    /// Runs of a probe, by how they ended.
    PROBE_RUNS: Kind::Counter, Runs, "headgate_gateway_probe_runs_total", [PROBE, PROBE_RESULT];
    /// Time of a probe's runs that went well, from the request to the last result of what it began.
    PROBE_DURATION: Kind::Histogram(LATENCY_BOUNDS), Seconds, "headgate_gateway_probe_duration_seconds", [PROBE];
    /// Whether the last run of a probe failed.
    PROBE_FAILING: Kind::Gauge, Flag, "headgate_gateway_probe_failing_flag", [PROBE];
    /// Facts of requests for `headgate plan --replay`, by whether they were written or found the queue full, the store closed or themselves too long.
    FACTS: Kind::Counter, Facts, "headgate_gateway_kept_facts_total", [LINE];
    /// Batches that the embedded store has written and acknowledged. As all of the store, read once a second.
    STORE_ACKNOWLEDGED: Kind::Counter, Batches, "headgate_store_acknowledged_batches_total", [];
    /// Batches of which a condition did not hold, or for which the disk had no space. The store works as it should: a duplicate is found by such a refusal.
    STORE_REFUSED: Kind::Counter, Batches, "headgate_store_refused_batches_total", [];
    /// Groups of batches, each made durable by one sync.
    STORE_GROUPS: Kind::Counter, Groups, "headgate_store_synced_groups_total", [];
    /// Batches that found the store's queue full.
    STORE_BUSY: Kind::Counter, Batches, "headgate_store_busy_batches_total", [];
    /// Batches that wait to be written.
    STORE_WAITING: Kind::Gauge, Batches, "headgate_store_waiting_batches", [];
    /// Whether the store is closed: 1 from a failed write, or if it could not be opened, to the end of the process. The requests that need it are refused.
    STORE_CLOSED: Kind::Gauge, Flag, "headgate_store_closed_flag", [];
    /// Idempotency keys that were claimed, each for one attempt. As all that follows of keys and of DynamoDB, read once a second.
    KEYS_CLAIMED: Kind::Counter, Keys, "headgate_idempotency_claimed_keys_total", [];
    /// Claimed keys that were taken over from a worker which was lost while it ran. An effect that honors no key may have been repeated as often.
    KEYS_TAKEN_OVER: Kind::Counter, Keys, "headgate_idempotency_taken_over_keys_total", [];
    /// Keys whose attempt ended with a record: an answer, a refusal, a key given back, held or given up.
    KEYS_SETTLED: Kind::Counter, Keys, "headgate_idempotency_settled_keys_total", [];
    /// Duplicates that found a recorded outcome.
    KEYS_REPLAYED: Kind::Counter, Keys, "headgate_idempotency_replayed_keys_total", [];
    /// Looks at a key that found somebody else at work on it. A request that waits for its twin looks often.
    KEYS_BUSY: Kind::Counter, Keys, "headgate_idempotency_busy_keys_total", [];
    /// Duplicates that found another payload under their key.
    KEYS_CONFLICTING: Kind::Counter, Keys, "headgate_idempotency_conflicting_keys_total", [];
    /// Keys that were held because nobody knows whether their effect happened. A person must look: `headgate idempotency list`.
    KEYS_HELD: Kind::Counter, Keys, "headgate_idempotency_held_keys_total", [];
    /// Keys that waited for a person and were resolved.
    KEYS_RESOLVED: Kind::Counter, Keys, "headgate_idempotency_resolved_keys_total", [];
    /// Writes of late workers that were refused because the key is somebody else's.
    KEY_WRITES_FENCED: Kind::Counter, Writes, "headgate_idempotency_fenced_writes_total", [];
    /// Writes of which no answer told whether they took place.
    KEY_WRITES_IN_DOUBT: Kind::Counter, Writes, "headgate_idempotency_doubtful_writes_total", [];
    /// Requests to DynamoDB, also those that were refused or lost.
    DYNAMODB_REQUESTS: Kind::Counter, Requests, "headgate_idempotency_dynamodb_requests_total", [];
    /// Requests to DynamoDB that were sent again.
    DYNAMODB_RETRIED: Kind::Counter, Requests, "headgate_idempotency_dynamodb_retried_requests_total", [];
    /// Requests that DynamoDB put off: more than the table takes, or another write on the same item.
    DYNAMODB_THROTTLED: Kind::Counter, Requests, "headgate_idempotency_dynamodb_throttled_requests_total", [];
    /// Requests to DynamoDB whose answer did not come.
    DYNAMODB_LOST: Kind::Counter, Requests, "headgate_idempotency_dynamodb_lost_requests_total", [];
    /// Time of a request to DynamoDB, answered or not.
    DYNAMODB_DURATION: Kind::Histogram(LATENCY_BOUNDS), Seconds, "headgate_idempotency_dynamodb_request_duration_seconds", [];
    /// Runs of an event handler, which may be several for one delivery where others write the same state.
    HANDLER_RUNS: Kind::Counter, Runs, "headgate_idempotency_handler_runs_total", [HANDLER];
    /// Deliveries of events to a handler, by how they ended.
    HANDLER_DELIVERIES: Kind::Counter, Deliveries, "headgate_idempotency_handler_deliveries_total", [HANDLER, SETTLEMENT];
    /// Events that were published, by topic; what handlers emit is not among them.
    EVENTS_PUBLISHED: Kind::Counter, Events, "headgate_events_published_events_total", [TOPIC];
    /// Entries of its topic that a handler's consumer was given, of all types.
    EVENTS_CONSUMED: Kind::Counter, Events, "headgate_events_consumed_events_total", [HANDLER];
    /// Events that a handler was given again because an attempt had failed, or its key had waited.
    EVENTS_REDELIVERED: Kind::Counter, Events, "headgate_events_redelivered_events_total", [HANDLER];
    /// Events that were given up and stand among the dead letters. A person must look: `headgate dlq list`.
    EVENTS_PARKED: Kind::Counter, Events, "headgate_events_parked_events_total", [HANDLER];
    /// Entries of its topic that a handler has not settled, in the partitions that this process reads.
    EVENTS_LAG: Kind::Gauge, Events, "headgate_events_lag_events", [HANDLER];
    /// Deliveries to a handler that are at work.
    EVENTS_IN_FLIGHT: Kind::Gauge, Deliveries, "headgate_events_in_flight_deliveries", [HANDLER];
    /// Events that a handler's consumer has read and not begun, by class.
    EVENTS_WAITING: Kind::Gauge, Events, "headgate_events_waiting_events", [HANDLER, CLASS];
    /// Whether a handler's events wait: 1 while it is paused, or something that it needs is down.
    EVENTS_PAUSED: Kind::Gauge, Flag, "headgate_events_paused_flag", [HANDLER];
    /// Exchanges that were to become events of `hg.exchanges`, by whether the log has them, or they found the queue full or the log not there.
    EXCHANGE_EVENTS: Kind::Counter, Events, "headgate_events_exchange_events_total", [LINE];
    /// Entries of this node's timeline that were to become events of `hg.timeline`, by whether the log has them, or they were too many, found the queue full or the log not there.
    TIMELINE_EVENTS: Kind::Counter, Events, "headgate_events_timeline_events_total", [LINE];
    /// Connections that results are pushed to.
    PUSH_OPEN: Kind::Gauge, Connections, "headgate_gateway_push_open_connections", [];
    /// Connections that asked for pushes when there were as many as there may be. They got 503.
    PUSH_REFUSED: Kind::Counter, Connections, "headgate_gateway_push_refused_connections_total", [];
    /// Connections that were cut off because too much waited for them. They come back and go on where they were.
    PUSH_CUT_OFF: Kind::Counter, Connections, "headgate_gateway_push_cut_off_connections_total", [];
    /// Results and messages that were given to a connection as they came; what one got when it came back is not among them.
    PUSH_GIVEN: Kind::Counter, Events, "headgate_gateway_push_given_events_total", [];
    /// The configuration in force: 1 for its digest, and no other digest is told.
    CONFIG_INFO: Kind::Gauge, Info, "headgate_config_running_info", [DIGEST];
    /// When a load last took effect or found nothing changed, in seconds since 1970.
    CONFIG_LOADED: Kind::Gauge, Seconds, "headgate_config_last_success_timestamp_seconds", [];
    /// Loads since the start of the process, by what came of them. Those `rejected` changed nothing; after those `degraded` at least one team runs its last good version or none.
    CONFIG_RELOADS: Kind::Counter, Reloads, "headgate_config_ended_reloads_total", [RELOAD];
    /// Time from the begin of a load to its taking effect.
    CONFIG_DURATION: Kind::Histogram(LATENCY_BOUNDS), Seconds, "headgate_config_reload_duration_seconds", [];
    /// Whether what a team's files say is in force: 0 while it runs its last good version or none. Team `_platform` is the platform's file.
    CONFIG_PART_OK: Kind::Gauge, Flag, "headgate_config_part_ok_flag", [TEAM];
    /// Overlays in force.
    CONFIG_OVERLAYS: Kind::Gauge, Overlays, "headgate_config_active_overlays", [];
    /// Whether changes of the files are found by looking every second, because the system does not tell of them.
    CONFIG_POLLING: Kind::Gauge, Flag, "headgate_config_polling_flag", [];
    /// Access lines, by whether they reached their file, found the queue full or the file broken, or
    /// were left out, as those of refused exchanges beyond 100 a second are.
    ACCESS_LINES: Kind::Counter, Lines, "headgate_telemetry_access_lines_total", [ACCESS_LINE];
    /// Spans of traces, by whether the collector has taken them or they are lost: it took none for too
    /// long, or refused them.
    SPANS: Kind::Counter, Spans, "headgate_telemetry_spans_total", [SPAN];
}

#[cfg(test)]
mod tests;
