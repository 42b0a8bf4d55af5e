//! The endpoints, one table of them, and what they answer from.

use std::{fmt, sync::Arc};

use axum::{
    Router, extract,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, post},
};
use headgate_telemetry::Exporter;
use serde::Serialize;
use tokio::sync::watch;

use crate::{
    openapi,
    overlays::{self, Overlays},
    problem::{self, Problem},
    status::{RouteStatus, Status},
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
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// The name of the request body's schema, where it takes one.
    pub(crate) body: Option<&'static str>,
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

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "GET",
        body: None,
        path: "/healthz",
        summary: "Whether the process lives",
        answers: &[ok("It does", "text/plain")],
        handler: || get(healthz),
    },
    Endpoint {
        method: "GET",
        body: None,
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
        method: "GET",
        body: None,
        path: "/metrics",
        summary: "Metrics for Prometheus",
        answers: &[ok("Text format 0.0.4", "text/plain")],
        handler: || get(metrics),
    },
    Endpoint {
        method: "GET",
        body: None,
        path: KEYS_PATH,
        summary: "The keys that verify Passports",
        answers: KEYS,
        handler: || get(passport_keys),
    },
    Endpoint {
        method: "GET",
        body: None,
        path: "/.well-known/jwks.json",
        summary: "The keys that verify Passports, at the usual place",
        answers: KEYS,
        handler: || get(passport_keys),
    },
    Endpoint {
        method: "GET",
        body: None,
        path: "/v1/status",
        summary: "The state of the edge",
        answers: &[json("The state", "Status")],
        handler: || get(status),
    },
    Endpoint {
        method: "GET",
        body: None,
        path: "/v1/routes",
        summary: "The routes in force",
        answers: &[json("The routes, in the order in which they are tried", "Routes")],
        handler: || get(routes),
    },
    Endpoint {
        method: "GET",
        body: None,
        path: "/v1/openapi.json",
        summary: "This document",
        answers: &[ok("OpenAPI 3.1", JSON)],
        handler: || get(document),
    },
    Endpoint {
        method: "GET",
        body: None,
        path: OVERLAYS_PATH,
        summary: "What stands over the files",
        answers: &[json("The overlays, by number", "OverlayList")],
        handler: || get(overlays::list),
    },
    Endpoint {
        method: "POST",
        body: Some("OverlayRequest"),
        path: OVERLAYS_PATH,
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
        method: "DELETE",
        body: None,
        path: "/v1/overlays/{id}",
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
