use axum::http::Request;
use headgate_telemetry::{
    Listener,
    access::{self, Journal, Tails},
    trace::TraceContext,
};
use headgate_types::{Moment, Outcome, UnixTime};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::{api::router, testing};

/// Tells one exchange with that path and status.
fn tell(tails: &Tails, path: &str, status: u16) {
    let trace = TraceContext {
        trace_id: testing::TRACE.parse().unwrap(),
        span_id: "00f067aa0ba902b7".parse().unwrap(),
        parent_id: None,
        flags: 1,
    };
    let client = access::Members::of_client("192.0.2.7:1".parse().unwrap(), Listener::Plain);
    let config = access::Members::of(&[("config", "c0ffee")]);
    tails.tell(&Line {
        time: UnixTime::from_secs(1_795_000_000),
        trace: &trace,
        untrusted_parent: None,
        request: access::Request {
            client: &client,
            version: axum::http::Version::HTTP_11,
            method: "GET",
            host: None,
            path,
        },
        outcome: Outcome::Ok,
        status: Some(status),
        code: None,
        route: None,
        device: None,
        priority: None,
        identity: None,
        probe: None,
        rulings: &[],
        attempts: &[],
        request_bytes: 0,
        response_bytes: 0,
        duration: Duration::from_millis(7),
        journal: &Journal::start(Moment::ZERO),
        config: &config,
    });
}

async fn ask(state: &State, query: &str) -> Response {
    let request = Request::get(format!("/v1/tail?{query}")).body(Body::empty()).unwrap();
    router(state.clone()).oneshot(request).await.unwrap()
}

/// The next piece of an answer as a text.
async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn wanted_lines_come_until_there_were_so_many() {
    let (_change, state) = testing::state();
    let mut body =
        ask(&state, "where=status%3E%3D500%20%26%26%20path~%5E/tv/&limit=2").await.into_body();
    for (path, status) in [("/tv/1", 200), ("/tv/2", 500), ("/ios/3", 503), ("/tv/4", 502)] {
        tell(&state.tails, path, status);
    }
    tell(&state.tails, "/tv/5", 500);

    let lines = next(&mut body).await.unwrap();

    let path = |line: &str| serde_json::from_str::<Value>(line).unwrap()["path"].clone();
    assert_eq!(lines.lines().map(path).collect::<Vec<_>>(), ["/tv/2", "/tv/4"]);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_heartbeat_and_what_is_lost_is_counted() {
    let (_change, state) = testing::state();
    let mut body = ask(&state, "limit=1000000").await.into_body();
    let began = Instant::now();
    assert_eq!(next(&mut body).await.unwrap(), "\n");
    assert_eq!(began.elapsed(), HEARTBEAT);
    for _ in 0..2_000 {
        tell(&state.tails, "/tv/1", 200);
    }
    let lines = next(&mut body).await.unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let told = lines.lines().count() as u64 - 1;
    assert_eq!(last["dropped"].as_u64().unwrap(), 2_000 - told);
    drop(body);
    assert!(!state.tails.is_followed());
}

#[tokio::test]
async fn what_cannot_be_read_or_is_too_much_is_refused() {
    let (_change, state) = testing::state();
    let code = async |query: &str| {
        let answer = ask(&state, query).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        (status, body["code"].clone(), body["detail"].clone())
    };
    for query in ["", "limit=0", "limit=x", "limit=1000001", "limit=1&colour=red"] {
        assert_eq!(code(query).await.1, "HG1210", "{query}");
    }
    let (status, bad, detail) = code("limit=1&where=colour%3D%3Dred").await;
    assert_eq!((status, bad), (400, "HG1269".into()));
    let detail = detail.as_str().unwrap();
    assert!(detail.starts_with("at character 1: no member of access lines"), "{detail}");
    let mut all = Vec::new();
    for _ in 0..access::TAILS_MAX {
        all.push(ask(&state, "limit=1").await);
    }
    assert_eq!(code("limit=1").await.1, "HG1268");
}
