//! The endpoints, one table of them, and what they answer from.

use std::{fmt, sync::Arc};

use axum::{
    Router, extract,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use headgate_telemetry::Exporter;
use serde::Serialize;
use tokio::sync::watch;

use crate::{
    openapi,
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
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("readiness", &*self.readiness.borrow())
            .finish_non_exhaustive()
    }
}

/// One path of the API. All are `GET`.
pub(crate) struct Endpoint {
    pub(crate) path: &'static str,
    /// What it answers, for the API's document.
    pub(crate) summary: &'static str,
    pub(crate) answers: &'static [Answer],
    handler: fn() -> MethodRouter<State>,
}

/// One answer of an endpoint, for the API's document.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) summary: &'static str,
    pub(crate) content_type: &'static str,
    /// The name of the body's schema, where it has one.
    pub(crate) schema: Option<&'static str>,
}

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

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/healthz",
        summary: "Whether the process lives",
        answers: &[ok("It does", "text/plain")],
        handler: || get(healthz),
    },
    Endpoint {
        path: "/readyz",
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
        summary: "Metrics for Prometheus",
        answers: &[ok("Text format 0.0.4", "text/plain")],
        handler: || get(metrics),
    },
    Endpoint {
        path: KEYS_PATH,
        summary: "The keys that verify Passports",
        answers: KEYS,
        handler: || get(passport_keys),
    },
    Endpoint {
        path: "/.well-known/jwks.json",
        summary: "The keys that verify Passports, at the usual place",
        answers: KEYS,
        handler: || get(passport_keys),
    },
    Endpoint {
        path: "/v1/status",
        summary: "The state of the edge",
        answers: &[json("The state", "Status")],
        handler: || get(status),
    },
    Endpoint {
        path: "/v1/routes",
        summary: "The routes in force",
        answers: &[json("The routes, in the order in which they are tried", "Routes")],
        handler: || get(routes),
    },
    Endpoint {
        path: "/v1/strangle",
        summary: "How far routes are on their way off legacy services",
        answers: &[json("The routes that still can send to one", "Strangle")],
        handler: || get(strangle),
    },
    Endpoint {
        path: "/v1/mirrors",
        summary: "How the answers to copied requests compare",
        answers: &[json("The routes whose requests are copied", "Mirrors")],
        handler: || get(mirrors),
    },
    Endpoint {
        path: "/v1/openapi.json",
        summary: "This document",
        answers: &[ok("OpenAPI 3.1", JSON)],
        handler: || get(document),
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

async fn document() -> Response {
    to_json(&openapi::document())
}

fn to_json(value: &impl Serialize) -> Response {
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
