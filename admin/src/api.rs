//! The endpoints, one table of them, and what they answer from.

mod endpoints;

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router, extract,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use headgate_idempotency::Records;
use headgate_telemetry::{Exporter, Format, access::Tails};
use headgate_types::{TraceId, parse_duration};
use serde::Serialize;
use tokio::{sync::watch, task::spawn_blocking};

use self::endpoints::JWKS;
pub(crate) use self::endpoints::{
    Answer, ENDPOINTS, Endpoint, JSON, Parameter, Takes, json, problem, query,
};
use crate::{
    events::{self, EventState},
    history::Timeline,
    limits::LimitsStatus,
    openapi,
    overlays::Overlays,
    passport::PassportKeys,
    probes::Probes,
    problem::Problem,
    status::{MirrorStatus, RouteStatus, Status, StrangleStatus},
    why::{NotKept, Why},
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

    /// What protects the edge, its upstreams and its routes.
    fn limits(&self) -> LimitsStatus;

    /// The life of the exchanges of a trace.
    ///
    /// # Errors
    ///
    /// [`NotKept`] when none that has ended is kept.
    fn why(&self, trace: TraceId) -> Result<Why, NotKept>;

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
    /// The keys that sign Passports.
    pub passport_keys: Arc<dyn PassportKeys>,
    /// Lets operators watch access lines.
    pub tails: Tails,
    /// Tells the state of the edge.
    pub status: Arc<dyn StatusSource>,
    /// The records of idempotency keys; none where no route heeds keys, or no store could be
    /// opened.
    pub records: Option<Records>,
    /// Keeps what has moved and changed, and what people did.
    pub timeline: Arc<dyn Timeline>,
    /// Changes what stands over the files.
    pub overlays: Arc<dyn Overlays>,
    /// Events and their handlers; none where there is no log.
    pub events: Option<EventState>,
    /// The requests that the edge sends to itself.
    pub probes: Arc<dyn Probes>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("readiness", &*self.readiness.borrow())
            .finish_non_exhaustive()
    }
}

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

async fn metrics(state: extract::State<State>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    typed(format.content_type(), state.exporter.render_as(format))
}

/// Keys are published a while before they sign, so a copy of this age still verifies.
const KEYS_CACHE_CONTROL: &str = "public, max-age=60";

async fn passport_keys(state: extract::State<State>) -> Response {
    let keys = typed(JWKS, state.passport_keys.jwks());
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
    if let Some(events) = &state.events {
        match events::exchange_facts(events, ask).await {
            Ok(Some(page)) => return to_json(&page),
            Ok(None) => {}
            Err(problem) => return problem.into_response(),
        }
    }
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
            Problem::Internal.into_response()
        }
    }
}

fn typed(content_type: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

#[cfg(test)]
mod tests;
