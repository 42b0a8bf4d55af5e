//! `/v1/probes`: requests that the edge sends to itself, and what came of the last ones.

use axum::{
    body::Bytes,
    extract,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Answer, Endpoint, State, Takes, to_json},
    overlays::is_json,
    problem::{self, Problem},
};

const PATH: &str = "/v1/probes";

/// Sends probes.
pub trait Probes: Send + Sync {
    /// The probes of the configuration in force, by name.
    fn list(&self) -> Vec<ProbeStatus>;

    /// Begins a run, unless one is under way, and tells which. Called on a runtime of tokio's. None:
    /// there is no such probe.
    fn begin(&self, name: &str) -> Option<ProbeBegun>;
}

/// A probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeStatus {
    /// Its name.
    pub name: String,
    /// What it sends, such as `POST /tv/orders`.
    pub sends: String,
    /// Time between two runs, such as `30s`. None: it runs when it is asked to.
    pub every: Option<String>,
    /// Time that a run may take, such as `10s`.
    pub timeout: String,
    /// Its last run in this process. None: it had none.
    pub last: Option<ProbeRun>,
}

/// A run that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeBegun {
    /// The probe.
    pub name: String,
    /// When it began, RFC 3339: the `time` of the run that the list has when it has ended.
    pub time: String,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeRun {
    /// The probe.
    pub name: String,
    /// `ok`, `unreachable`, `status`, `timeout` or `handler`.
    pub result: String,
    /// When it began, RFC 3339.
    pub time: String,
    /// The trace of all that it began. None: no answer came.
    pub trace_id: Option<String>,
    /// The status of the answer. None: none came.
    pub status: Option<u16>,
    /// From its begin to the last result, in microseconds.
    pub duration_us: u64,
    /// What went wrong. None: nothing did.
    pub fault: Option<String>,
}

/// What `/v1/probes` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeList {
    /// The probes, by name.
    pub probes: Vec<ProbeStatus>,
}

/// No probes, where nobody sends any.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbes;

impl Probes for NoProbes {
    fn list(&self) -> Vec<ProbeStatus> {
        Vec::new()
    }

    fn begin(&self, _name: &str) -> Option<ProbeBegun> {
        None
    }
}

/// Which probe to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeWish {
    /// Its name.
    pub name: String,
}

/// All of them.
pub(crate) const LIST: Endpoint = Endpoint {
    path: PATH,
    takes: Takes::Get(&[]),
    summary: "The requests that the edge sends to itself, and what came of the last ones",
    answers: &[Answer {
        status: 200,
        summary: "The probes, by name",
        content_type: "application/json",
        schema: Some("ProbeList"),
    }],
    handler: || get(list),
};

/// One of them, now.
pub(crate) const RUN: Endpoint = Endpoint {
    path: PATH,
    takes: Takes::Post(&[], "ProbeWish"),
    summary: "Runs a probe now",
    answers: &[
        Answer {
            status: 200,
            summary: "It runs; the list has what came of it",
            content_type: "application/json",
            schema: Some("ProbeBegun"),
        },
        Answer {
            status: 404,
            summary: "There is no such probe",
            content_type: problem::CONTENT_TYPE,
            schema: Some("Problem"),
        },
    ],
    handler: || post(run),
};

async fn list(state: extract::State<State>) -> Response {
    to_json(&ProbeList { probes: state.probes.list() })
}

async fn run(
    state: extract::State<State>,
    headers: HeaderMap,
    body: Result<Bytes, extract::rejection::BytesRejection>,
) -> Response {
    // As for overlays: a page in an operator's browser can send no JSON here unasked.
    if !is_json(&headers) {
        return Problem::BadBody.into_response();
    }
    let wish = body.ok().and_then(|body| serde_json::from_slice::<ProbeWish>(&body).ok());
    let Some(ProbeWish { name }) = wish else { return Problem::BadBody.into_response() };
    match state.probes.begin(&name) {
        Some(begun) => to_json(&begun),
        None => Problem::NoProbe.into_response(),
    }
}
