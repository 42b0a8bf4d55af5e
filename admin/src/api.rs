//! The endpoints, one table of them, and what they answer from.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router, extract,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, post},
};
use headgate_idempotency::Records;
use headgate_telemetry::Exporter;
use headgate_types::parse_duration;
use serde::Serialize;
use tokio::{sync::watch, task::spawn_blocking};

use crate::{
    idempotency, openapi,
    overlays::{self, Overlays},
    problem::{self, Problem},
    status::{MirrorStatus, RouteStatus, Status, StrangleStatus},
};

/// Where the edge is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// Not every listener is bound yet.
    #[default]
    Starting,
    /// Requests are served.
    Ready,
    /// What is in flight is finished, and then the process ends.
    Draining,
}

impl Readiness {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// Tells the state of the running edge.
pub trait StatusSource: Send + Sync {
    /// The state at this moment.
    fn status(&self) -> Status;

    /// The routes in force, in the order in which they are tried.
    fn routes(&self) -> Vec<RouteStatus>;

    /// The routes on their way off a legacy service.
    fn strangle(&self) -> Vec<StrangleStatus>;

    /// The routes whose requests are copied.
    fn mirrors(&self) -> Vec<MirrorStatus>;

    /// The configuration in force, as a JSON object.
    fn config(&self) -> String;

    /// Facts of requests, as a JSON object. May wait for the disk.
    fn facts(&self, ask: FactsAsk) -> String;
}

/// Which facts of requests are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactsAsk {
    /// Only those of this time up to the present.
    pub since: Duration,
    /// Where to go on: what the page before named as `next`. None: from the start.
    pub after: Option<u64>,
}

/// What the endpoints answer from.
#[derive(Clone)]
pub struct State {
    /// Where the edge is in its life.
    pub readiness: watch::Receiver<Readiness>,
    /// Renders the metrics.
    pub exporter: Exporter,
    /// The public keys of Passports, as the text of a JSON Web Key Set.
    pub passport_keys: Arc<dyn Fn() -> String + Send + Sync>,
    /// Tells the state of the edge.
    pub status: Arc<dyn StatusSource>,
    /// The records of idempotency keys; none where no route heeds keys, or no store could be
    /// opened.
    pub records: Option<Records>,
    /// Sets and unsets what stands over the files.
    pub overlays: Arc<dyn Overlays>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("readiness", &*self.readiness.borrow())
            .finish_non_exhaustive()
    }
}

/// One method of one path of the API.
pub(crate) struct Endpoint {
    pub(crate) path: &'static str,
    pub(crate) takes: Takes,
    /// What it answers, for the API's document.
    pub(crate) summary: &'static str,
    pub(crate) answers: &'static [Answer],
    handler: fn() -> MethodRouter<State>,
}

/// The method of a path, and what comes with it, for the API's document.
pub(crate) enum Takes {
    /// `GET` and `HEAD`.
    Get(&'static [Parameter]),
    /// `POST`, with a body of this schema.
    Post(&'static [Parameter], &'static str),
    /// `DELETE`.
    Delete(&'static [Parameter]),
}

impl Takes {
    /// The method's member in the API's document.
    pub(crate) const fn method(&self) -> &'static str {
        match self {
            Self::Get(_) => "get",
            Self::Post(..) => "post",
            Self::Delete(_) => "delete",
        }
    }
}

/// One parameter of an endpoint, for the API's document.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// Whether it is a part of the path; else it is one of the query, and may be left out.
    pub(crate) is_path: bool,
    /// Its type in JSON Schema.
    pub(crate) kind: &'static str,
    pub(crate) summary: &'static str,
}

/// One answer of an endpoint, for the API's document.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) summary: &'static str,
    pub(crate) content_type: &'static str,
    /// The name of the body's schema, where it has one.
    pub(crate) schema: Option<&'static str>,
}

const OVERLAYS_PATH: &str = "/v1/overlays";
const JSON: &str = "application/json";
const JWKS: &str = "application/jwk-set+json";

const fn ok(summary: &'static str, content_type: &'static str) -> Answer {
    Answer { status: 200, summary, content_type, schema: None }
}

const fn json(summary: &'static str, schema: &'static str) -> Answer {
    Answer { status: 200, summary, content_type: JSON, schema: Some(schema) }
}

/// Where the Passport keys are.
const KEYS_PATH: &str = "/v1/passport/jwks.json";
const KEYS: &[Answer] = &[ok("A JSON Web Key Set", JWKS)];

const NO_SUCH_KEY: Answer = Answer {
    status: 404,
    summary: "No such key waits",
    content_type: problem::CONTENT_TYPE,
    schema: Some("Problem"),
};

const ID: &[Parameter] = &[Parameter {
    name: "id",
    is_path: true,
    kind: "string",
    summary: "The key's `id` as the list has it, with `/` and `#` escaped",
}];

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/healthz",
        takes: Takes::Get(&[]),
        summary: "Whether the process lives",
        answers: &[ok("It does", "text/plain")],
        handler: || get(healthz),
    },
    Endpoint {
        path: "/readyz",
        takes: Takes::Get(&[]),
        summary: "Whether requests are served",
        answers: &[
            json("They are", "Ready"),
            Answer {
                status: 503,
                summary: "Not yet, or not any more",
                content_type: JSON,
                schema: Some("Ready"),
            },
        ],
        handler: || get(readyz),
    },
    Endpoint {
        path: "/metrics",
        takes: Takes::Get(&[]),
        summary: "Metrics for Prometheus",
        answers: &[ok("Text format 0.0.4", "text/plain")],
        handler: || get(metrics),
    },
    Endpoint {
        path: KEYS_PATH,
        takes: Takes::Get(&[]),
        summary: "The keys that verify Passports",
        answers: KEYS,
        handler: || get(passport_keys),
    },
    Endpoint {
        path: "/.well-known/jwks.json",
        takes: Takes::Get(&[]),
        summary: "The keys that verify Passports, at the usual place",
        answers: KEYS,
        handler: || get(passport_keys),
    },
    Endpoint {
        path: "/v1/status",
        takes: Takes::Get(&[]),
        summary: "The state of the edge",
        answers: &[json("The state", "Status")],
        handler: || get(status),
    },
    Endpoint {
        path: "/v1/routes",
        takes: Takes::Get(&[]),
        summary: "The routes in force",
        answers: &[json("The routes, in the order in which they are tried", "Routes")],
        handler: || get(routes),
    },
    Endpoint {
        path: "/v1/idempotency/held",
        takes: Takes::Get(&[
            Parameter {
                name: "limit",
                is_path: false,
                kind: "integer",
                summary: "Records that are looked at in this step at most, 1 to 1024; 1024 unless \
                          said",
            },
            Parameter {
                name: "after",
                is_path: false,
                kind: "string",
                summary: "The `next` of the step before; the first step unless said",
            },
        ]),
        summary: "Idempotency keys that wait for a person, a step at a time",
        answers: &[json(
            "Those found in this step; none is no sign that it was the last",
            "HeldKeys",
        )],
        handler: || get(idempotency::list),
    },
    Endpoint {
        path: "/v1/idempotency/held/{id}",
        takes: Takes::Get(ID),
        summary: "One idempotency key that waits for a person",
        answers: &[json("How it stands", "HeldKey"), NO_SUCH_KEY],
        handler: || get(idempotency::show),
    },
    Endpoint {
        path: "/v1/idempotency/held/{id}/resolve",
        takes: Takes::Post(ID, "Resolve"),
        summary: "Says what became of an idempotency key that waits",
        answers: &[
            json("It waits no more", "Resolved"),
            NO_SUCH_KEY,
            Answer {
                status: 409,
                summary: "It stands otherwise by now",
                content_type: problem::CONTENT_TYPE,
                schema: Some("Problem"),
            },
        ],
        handler: || post(idempotency::resolve),
    },
    Endpoint {
        path: "/v1/strangle",
        takes: Takes::Get(&[]),
        summary: "How far routes are on their way off legacy services",
        answers: &[json("The routes that still can send to one", "Strangle")],
        handler: || get(strangle),
    },
    Endpoint {
        path: "/v1/mirrors",
        takes: Takes::Get(&[]),
        summary: "How the answers to copied requests compare",
        answers: &[json("The routes whose requests are copied", "Mirrors")],
        handler: || get(mirrors),
    },
    Endpoint {
        path: "/v1/config",
        takes: Takes::Get(&[]),
        summary: "The configuration in force, for a plan",
        answers: &[ok("Its digest, its documents, and what decides on requests", JSON)],
        handler: || get(config),
    },
    Endpoint {
        path: "/v1/facts",
        takes: Takes::Get(&[
            Parameter {
                name: "since",
                is_path: false,
                kind: "string",
                summary: "Only facts of this time up to the present, such as `15m`",
            },
            Parameter {
                name: "after",
                is_path: false,
                kind: "integer",
                summary: "The `next` of the page before; from the start unless said",
            },
        ]),
        summary: "Facts of recent requests, page by page, for a plan",
        answers: &[
            ok("Facts, and where the next page goes on", JSON),
            Answer {
                status: 400,
                summary: "The query can't be read",
                content_type: problem::CONTENT_TYPE,
                schema: Some("Problem"),
            },
        ],
        handler: || get(facts),
    },
    Endpoint {
        path: "/v1/openapi.json",
        takes: Takes::Get(&[]),
        summary: "This document",
        answers: &[ok("OpenAPI 3.1", JSON)],
        handler: || get(document),
    },
    Endpoint {
        path: OVERLAYS_PATH,
        takes: Takes::Get(&[]),
        summary: "What stands over the files",
        answers: &[json("The overlays, by number", "OverlayList")],
        handler: || get(overlays::list),
    },
    Endpoint {
        path: OVERLAYS_PATH,
        takes: Takes::Post(&[], "OverlayRequest"),
        summary: "Puts a value over the files' until it expires",
        answers: &[Answer {
            status: 201,
            summary: "It is in force",
            content_type: JSON,
            schema: Some("OverlayStatus"),
        }],
        handler: || post(overlays::set),
    },
    Endpoint {
        path: "/v1/overlays/{id}",
        takes: Takes::Delete(&[Parameter {
            name: "id",
            is_path: true,
            kind: "integer",
            summary: "The overlay's number",
        }]),
        summary: "Ends an overlay before its time",
        answers: &[json("It was in force until now", "OverlayStatus")],
        handler: || delete(overlays::unset),
    },
];

/// The API as a service, for a server or a test.
pub fn router(state: State) -> Router {
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        router = router.route(endpoint.path, (endpoint.handler)());
    }
    router
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .with_state(state)
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// What `/readyz` answers.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Ready {
    /// Whether requests are served.
    ready: bool,
    /// `starting`, `ready` or `draining`.
    reason: &'static str,
}

async fn readyz(state: extract::State<State>) -> Response {
    let readiness = *state.readiness.borrow();
    let is_ready = readiness == Readiness::Ready;
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, to_json(&Ready { ready: is_ready, reason: readiness.as_str() })).into_response()
}

async fn metrics(state: extract::State<State>) -> Response {
    typed(Exporter::CONTENT_TYPE, state.exporter.render())
}

/// Keys are published a while before they sign, so a copy of this age still verifies.
const KEYS_CACHE_CONTROL: &str = "public, max-age=60";

async fn passport_keys(state: extract::State<State>) -> Response {
    let keys = typed(JWKS, (state.passport_keys)());
    ([(header::CACHE_CONTROL, KEYS_CACHE_CONTROL)], keys).into_response()
}

async fn status(state: extract::State<State>) -> Response {
    to_json(&state.status.status())
}

/// What `/v1/routes` answers.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Routes {
    /// The routes in force, in the order in which they are tried.
    routes: Vec<RouteStatus>,
}

async fn routes(state: extract::State<State>) -> Response {
    to_json(&Routes { routes: state.status.routes() })
}

/// What `/v1/strangle` answers.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Strangle {
    /// The routes that still can send to a legacy service.
    routes: Vec<StrangleStatus>,
}

async fn strangle(state: extract::State<State>) -> Response {
    to_json(&Strangle { routes: state.status.strangle() })
}

/// What `/v1/mirrors` answers.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Mirrors {
    /// The routes whose requests are copied.
    mirrors: Vec<MirrorStatus>,
}

async fn mirrors(state: extract::State<State>) -> Response {
    to_json(&Mirrors { mirrors: state.status.mirrors() })
}

async fn config(state: extract::State<State>) -> Response {
    typed(JSON, state.status.config())
}

/// Reads `since=15m&after=7`.
fn facts_ask(query: &str) -> Option<FactsAsk> {
    let (mut since, mut after) = (None, None);
    for pair in query.split('&') {
        match pair.split_once('=')? {
            ("since", length) => since = Some(parse_duration(length).ok()?),
            ("after", offset) => after = Some(offset.parse().ok()?),
            _ => return None,
        }
    }
    Some(FactsAsk { since: since?, after })
}

async fn facts(state: extract::State<State>, query: extract::RawQuery) -> Response {
    let ask = query.0.as_deref().and_then(facts_ask);
    let Some(ask) = ask else { return Problem::BadQuery.into_response() };
    let status = Arc::clone(&state.status);
    match spawn_blocking(move || status.facts(ask)).await {
        Ok(text) => typed(JSON, text),
        Err(error) => {
            tracing::error!(%error, "facts can't be read");
            Problem::Internal.into_response()
        }
    }
}

async fn document() -> Response {
    to_json(&openapi::document())
}

pub(crate) fn to_json(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => typed(JSON, text),
        Err(error) => {
            tracing::error!(%error, "an admin answer can't be written as JSON");
            problem::Problem::Internal.into_response()
        }
    }
}

fn typed(content_type: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

#[cfg(test)]
mod tests;
