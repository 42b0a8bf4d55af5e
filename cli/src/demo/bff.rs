//! A sample BFF: answers with what it was sent.

use std::{net::SocketAddr, thread, time::Duration};

use anyhow::Context as _;
use axum::{Json, Router, extract::State, http::HeaderMap, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How long the slow route takes: longer than any of the demo's timeouts.
const SLOW: Duration = Duration::from_secs(2);

/// Starts a team's BFF on a free port.
pub(super) fn start(team: &'static str) -> anyhow::Result<SocketAddr> {
    serve(team, routes(team))
}

/// Serves routes on a free port and a thread of its own.
pub(super) fn serve(name: &'static str, routes: Router) -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("port for a sample BFF")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name(format!("bff-{name}")).spawn(move || {
        let served =
            runtime.block_on(async { axum::serve(TcpListener::from_std(listener)?, routes).await });
        if let Err(error) = served {
            tracing::error!(%error, name, "sample BFF failed");
        }
    })?;
    Ok(address)
}

fn routes(team: &'static str) -> Router {
    Router::new()
        .route("/home", get(home))
        .route("/profile", get(profile))
        .route("/slow", get(slow))
        .with_state(team)
}

async fn home(State(team): State<&'static str>, headers: HeaderMap) -> Json<Value> {
    Json(json!({
        "bff": team,
        "rows": ["Continue watching", "New for you"],
        "received": received(&headers),
    }))
}

async fn profile(State(team): State<&'static str>, headers: HeaderMap) -> Json<Value> {
    let passport = headers.get("headgate-passport").and_then(|value| value.to_str().ok());
    Json(json!({
        "bff": team,
        "passport": passport.and_then(claims),
        "received": received(&headers),
    }))
}

async fn slow(State(team): State<&'static str>) -> Json<Value> {
    tokio::time::sleep(SLOW).await;
    Json(json!({ "bff": team }))
}

/// What the edge added to the request, the Passport aside.
fn received(headers: &HeaderMap) -> Value {
    let added = headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        name == "traceparent" || name.starts_with("headgate-") && name != "headgate-passport"
    });
    added
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap_or_default().into()))
        .collect::<serde_json::Map<String, Value>>()
        .into()
}

/// The claims of a Passport, to be shown. A real BFF verifies the signature first, against the
/// edge's published keys.
fn claims(passport: &str) -> Option<Value> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = passport.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}
