use std::time::Duration;

use bytes::Bytes;
use headgate_telemetry::{Metrics, access};
use headgate_types::Class;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tower::Service;

use super::*;
use crate::{
    Parts as EdgeParts,
    identity::testing::{NoFetch, StoppedClock},
    settings::{self, Settings},
};

/// An edge with one route, to an upstream at which nobody listens.
fn edge() -> (Arc<Edge>, access::Writer) {
    let team: Arc<str> = "tv".into();
    let upstream = settings::Upstream {
        team: Arc::clone(&team),
        name: "home".into(),
        endpoints: Vec::new(),
        protocol: settings::Protocol::H1,
        tls: None,
        connect_timeout: Duration::from_secs(1),
        idle_connections_max: 1,
        connections_max: std::num::NonZeroUsize::MIN,
        idle_timeout: Duration::from_secs(1),
        health: None,
        slow_start: None,
        dns: None,
        zone: None,
        drained: Vec::new(),
        overload: settings::UpstreamOverload::default(),
    };
    let route = settings::Route {
        team,
        name: "home".into(),
        pattern: "GET|POST /tv/home".parse().unwrap(),
        upstream: Some(0),
        publish: None,
        split: None,
        mirror: None,
        auth: settings::Auth::None,
        priority: Class::Standard,
        timeout: None,
        try_timeout: None,
        retry: settings::Retry { max: 0, on: Vec::new(), budget: headgate_types::Ratio::default() },
        body_bytes_max: Some(headgate_types::ByteSize::from_bytes(4)),
        hash_by: None,
        idempotency: None,
        slow: None,
        overload: settings::RouteOverload::default(),
    };
    let settings =
        Settings { upstreams: vec![upstream], routes: vec![route], ..Settings::default() };
    let metrics = Metrics::new();
    let (access, writer) = access::Log::start(std::io::sink(), &metrics).unwrap();
    let parts = EdgeParts {
        clock: Arc::new(StoppedClock),
        metrics,
        access,
        fetch: Arc::new(NoFetch),
        digest: "test".into(),
        records: None,
    };
    (Edge::new(&settings, parts).unwrap(), writer)
}

async fn ask(request: Request<&'static str>) -> (StatusCode, serde_json::Value) {
    let (edge, _writer) = edge();
    let mut exchanges = Exchanges::of_client(&edge, "127.0.0.1:9".parse().unwrap());
    let request = request.map(|body| ClientBody::from(Bytes::from_static(body.as_bytes())));
    let response = exchanges.call(request).await.unwrap();
    let trace_id = response.headers()["headgate-trace-id"].to_str().unwrap().to_owned();
    let status = response.status();
    assert_eq!(edge.lifecycle().in_flight(), 1, "the answer's body is still to be taken");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["trace_id"], trace_id);
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(edge.lifecycle().in_flight(), 0);
    (status, body)
}

fn request(method: Method, path: &str, body: &'static str) -> Request<&'static str> {
    Request::builder().method(method).uri(path).header("host", "edge").body(body).unwrap()
}

#[tokio::test]
async fn what_no_route_takes_is_answered_by_the_edge() {
    let (status, body) = ask(request(Method::GET, "/tv/away", "")).await;
    assert_eq!((status, body["outcome"].as_str()), (StatusCode::NOT_FOUND, Some("no_route")));
}

#[tokio::test]
async fn an_upstream_without_endpoints_is_unhealthy_and_says_when_to_return() {
    let (status, body) = ask(request(Method::GET, "/tv/home", "")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["outcome"], "origin_unhealthy");
    assert!(body["retry_after_ms"].as_u64().is_some_and(|wait| wait >= 1_000));
}

#[tokio::test]
async fn a_declared_length_above_the_limit_is_refused_before_any_endpoint_is_asked() {
    let mut request = request(Method::POST, "/tv/home", "12345");
    request.headers_mut().insert("content-length", 5.into());
    let (status, body) = ask(request).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(body["outcome"], "client_too_large");
}

#[tokio::test]
async fn a_path_that_can_be_read_in_two_ways_is_refused() {
    let (status, body) = ask(request(Method::GET, "/tv/..%2fadmin", "")).await;
    assert_eq!(
        (status, body["outcome"].as_str()),
        (StatusCode::BAD_REQUEST, Some("client_bad_request"))
    );
}
