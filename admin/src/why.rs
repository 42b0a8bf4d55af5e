//! `/v1/why`: the life of one exchange, while it is kept.

use std::collections::BTreeMap;

use axum::{
    extract::{self, Path},
    response::{IntoResponse, Response},
};
use headgate_types::TraceId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{State, to_json},
    events::{self, Searched},
    problem::Problem,
};

/// What is told of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// The last exchange of the trace.
    #[serde(flatten)]
    pub exchange: WhyExchange,
    /// Earlier exchanges of the same trace, the first one first.
    pub earlier: Vec<WhyExchange>,
}

impl Why {
    /// Reads exchanges of one trace, in the order of their begins, each a JSON object. None: there
    /// are none.
    pub fn read<T: AsRef<[u8]>>(exchanges: impl IntoIterator<Item = T>) -> Option<Self> {
        let read = |exchange: T| {
            let exchange = serde_json::from_slice::<WhyExchange>(exchange.as_ref());
            exchange
                .inspect_err(|error| tracing::error!(%error, "kept exchange can't be read"))
                .ok()
        };
        let mut earlier: Vec<_> = exchanges.into_iter().filter_map(read).collect();
        earlier.sort_by(|one, other| one.time.cmp(&other.time));
        earlier.pop().map(|exchange| Self { exchange, earlier })
    }
}

/// Why nothing is told of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotKept {
    /// How far back exchanges are kept.
    pub reach: String,
}

/// The life of one exchange: its access line, and more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhyExchange {
    /// Its trace.
    pub trace_id: String,
    /// When the request's head was there, RFC 3339.
    pub time: String,
    /// The client's address.
    pub client: String,
    /// The protocol on the client's side.
    pub protocol: String,
    /// The method.
    pub method: String,
    /// The host that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path, without its query.
    pub path: String,
    /// How it ended.
    pub outcome: String,
    /// The status that was sent. None when the client left before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The code of the edge's own answer. None when the origin answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The device class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The rule that decided the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_reason: Option<String>,
    /// The team that owns the route. None when no route matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// What the route matches.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The upstream that was to serve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The arm, on a split route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// By what the arm was drawn: `device_id`, `user`, `trace`, or `token` when a tester chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm_by: Option<String>,
    /// The bucket of 10,000 that was drawn. None for a request without what is drawn by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm_bucket: Option<u16>,
    /// The identity source that vouched for the caller. None where anybody may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The first digits of the SHA-256 of the caller's subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_sha256: Option<String>,
    /// The probe that the request is. None: it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// What the request was worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// The class that the route grants: another one when the client wished for less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_granted: Option<String>,
    /// What the protective layers said, in the order in which they were met.
    #[serde(default)]
    pub layers: Vec<WhyLayer>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// From the request's head to the end of the exchange, in microseconds.
    pub duration_us: u64,
    /// The steps, each in microseconds since the request's head.
    pub timing_us: BTreeMap<String, u64>,
    /// The tries at endpoints, in order.
    pub attempts: Vec<WhyAttempt>,
    /// The digest of the configuration in force.
    pub config: String,
}

/// What one protective layer said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhyLayer {
    /// The layer.
    pub layer: String,
    /// `enforce` or `observe`, as it was in force then.
    pub mode: String,
    /// `admitted`, `would_refuse` or `refused`.
    pub ruled: String,
    /// Why. None when it admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was measured, in the reason's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<f64>,
    /// What it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// The request's rank, from 0 (kept longest) to 511.
    pub level: u16,
    /// Ranks from this one on were refused. None when the rank played no part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u16>,
    /// When the client was told to come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Time in the layer's queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_us: Option<u64>,
}

/// One try at an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhyAttempt {
    /// The endpoint's address.
    pub endpoint: String,
    /// When it began, since the request's head.
    pub started_us: u64,
    /// How long opening a connection took. None when an open one was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// How long the answer's head took, since the try's begin. None when none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_us: Option<u64>,
    /// How it ended.
    pub result: String,
}

pub(crate) async fn why(state: extract::State<State>, trace: Path<String>) -> Response {
    let Ok(trace) = trace.parse::<TraceId>() else {
        return Problem::BadRequest("a trace ID has 32 lowercase hexadecimal digits, not all 0")
            .into_response();
    };
    let NotKept { reach } = match state.status.why(trace) {
        Ok(why) => return to_json(&why),
        Err(not_kept) => not_kept,
    };
    let searched = match &state.events {
        Some(events) => events::exchanges_of(events, trace).await,
        None => Ok(None),
    };
    match searched {
        Ok(Some(Searched::Found(why))) => to_json(&why),
        Ok(Some(Searched::None(also))) => {
            Problem::NoExchange.with_detail(&format!("{reach}; {also}"))
        }
        // What memory has is told all the same.
        Ok(None) | Err(_) => Problem::NoExchange.with_detail(&reach),
    }
}
