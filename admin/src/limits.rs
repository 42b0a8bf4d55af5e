//! `/v1/limits`: what protects the edge, its upstreams and its routes, as it stands.

use std::collections::BTreeMap;

use axum::{extract, response::Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{State, to_json};

/// Everything that protects, as it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitsStatus {
    /// The edge itself.
    pub instance: InstanceLimits,
    /// Upstreams by team and name.
    pub upstreams: Vec<UpstreamLimits>,
    /// Routes in the order in which they are preferred.
    pub routes: Vec<RouteLimits>,
}

/// What protects the edge itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceLimits {
    /// `off`, `observe`, `enforce`, or `enforce:25%`.
    pub mode: String,
    /// Exchanges that have begun and not ended.
    pub in_flight: u64,
    /// The first rank that is shed, of 0 (kept longest) to 511. None: none is.
    pub shed_from: Option<u16>,
    /// CPU time used over the process's quota. None: not measured yet.
    pub cpu: Option<f64>,
    /// How late tasks get their turn, in milliseconds.
    pub scheduler_lag_ms: Option<f64>,
    /// Memory used over the process's limit. None: there is no limit.
    pub memory: Option<f64>,
    /// What it has decided.
    pub counts: LayerCounts,
}

/// What a layer has decided since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayerCounts {
    /// Requests that passed.
    pub admitted: u64,
    /// Requests that its rule refused, whether or not they were let through.
    pub would_refuse: u64,
    /// Requests that were refused.
    pub refused: u64,
}

/// A concurrency limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateStatus {
    /// `off`, `observe`, `enforce`, or `enforce:25%`.
    pub mode: String,
    /// Requests at once.
    pub limit: u32,
    /// Why it last moved, such as `headroom` or `queueing`.
    pub cause: String,
    /// What a call takes without load, in milliseconds. None: not known yet.
    pub no_load_ms: Option<f64>,
    /// Requests that hold a permit.
    pub in_flight: u32,
    /// The same by class.
    pub in_flight_by_class: BTreeMap<String, u32>,
    /// Requests that passed only because the layer does not enforce.
    pub unseated: u32,
    /// Requests that wait.
    pub queued: u64,
    /// The first rank that is shed, of 0 (kept longest) to 511. None: none is.
    pub shed_from: Option<u16>,
    /// What it has decided.
    pub counts: LayerCounts,
}

/// What protects an upstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamLimits {
    /// The team that owns it.
    pub team: String,
    /// Its name in the team.
    pub name: String,
    /// Its concurrency limit. None: no request has come yet.
    pub gate: Option<GateStatus>,
    /// The mode of its breakers.
    pub breaker: String,
    /// What its breakers have decided.
    pub breaker_counts: LayerCounts,
    /// Its endpoints.
    pub endpoints: Vec<EndpointLimits>,
}

/// What protects an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointLimits {
    /// Its address.
    pub address: String,
    /// How its breaker stands: `closed`, `open`, `half_open` or `ramp`.
    pub breaker: String,
    /// How often its breaker has opened since the edge began to know it.
    #[serde(default)]
    pub opened: u64,
}

/// What protects a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteLimits {
    /// The team that owns it.
    pub team: String,
    /// Its name in the team.
    pub name: String,
    /// The upstream that it sends to.
    pub upstream: String,
    /// What its requests are worth.
    pub priority: String,
    /// Whether no layer may refuse its requests.
    pub is_exempt: bool,
    /// Its own concurrency limit. None: it has none beside its upstream's, or no request has come.
    pub gate: Option<GateStatus>,
    /// The mode of its throttle, which acts while the route fails.
    pub throttle: String,
    /// What the throttle has decided.
    pub throttle_counts: LayerCounts,
    /// The mode of its retry budget.
    pub retry_budget: String,
    /// Retries that the budget has left.
    pub retries_left: f64,
    /// What the budget has decided.
    pub retry_counts: LayerCounts,
}

impl LimitsStatus {
    /// The limit in front of a route: its own, or else its upstream's. None: no request has come.
    pub fn gate_of<'s>(&'s self, route: &'s RouteLimits) -> Option<&'s GateStatus> {
        route.gate.as_ref().or_else(|| {
            let is_own =
                |one: &&UpstreamLimits| one.team == route.team && one.name == route.upstream;
            self.upstreams.iter().find(is_own)?.gate.as_ref()
        })
    }
}

pub(crate) async fn limits(state: extract::State<State>) -> Response {
    to_json(&state.status.limits())
}
