use axum::{body::Body, http::Request};
use headgate_telemetry::Metrics;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::{openapi::document, testing};

/// What a path answers: status, content type, body.
async fn ask(state: &State, method: &str, path: &str) -> (u16, String, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let answer = router(state.clone()).oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let content_type = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, content_type, String::from_utf8(body.to_vec()).unwrap())
}

async fn ask_json(state: &State, path: &str) -> Value {
    let (_, _, body) = ask(state, "GET", path).await;
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn readiness_follows_the_edge() {
    let (change, state) = testing::state();
    let mut seen = Vec::new();
    for readiness in [Readiness::Starting, Readiness::Ready, Readiness::Draining] {
        change.send_replace(readiness);
        let (status, _, body) = ask(&state, "GET", "/readyz").await;
        seen.push((status, serde_json::from_str::<Value>(&body).unwrap()));
    }
    let expected = [
        (503, json!({ "ready": false, "reason": "starting" })),
        (200, json!({ "ready": true, "reason": "ready" })),
        (503, json!({ "ready": false, "reason": "draining" })),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn process_lives_while_it_drains() {
    let (change, state) = testing::state();
    change.send_replace(Readiness::Draining);
    assert_eq!(ask(&state, "GET", "/healthz").await.0, 200);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let (_change, mut state) = testing::state();
    let metrics = Metrics::new();
    metrics.no_route().arrived();
    state.exporter = metrics.exporter();
    let (status, content_type, body) = ask(&state, "GET", "/metrics").await;
    assert_eq!((status, content_type.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
    assert!(body.contains("# TYPE headgate_gateway_arrived_requests_total counter\n"), "{body}");
}

#[tokio::test]
async fn passport_keys_are_at_both_places_and_may_be_cached() {
    let (_change, state) = testing::state();
    for path in ["/v1/passport/jwks.json", "/.well-known/jwks.json"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router(state.clone()).oneshot(request).await.unwrap();
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/jwk-set+json");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=60");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, testing::KEYS);
    }
}

#[tokio::test]
async fn status_is_what_the_edge_says_and_reads_back() {
    let (_change, state) = testing::state();
    let (_, _, body) = ask(&state, "GET", "/v1/status").await;
    assert_eq!(serde_json::from_str::<Status>(&body).unwrap(), state.status.status());
}

#[tokio::test]
async fn routes_are_spelled_as_the_configuration_does() {
    let (_change, state) = testing::state();
    let routes = ask_json(&state, "/v1/routes").await;
    assert_eq!(routes["routes"][0]["match"], "GET /tv/home/{profile} device=tv");
}

#[tokio::test]
async fn faults_are_problem_details() {
    let (_change, state) = testing::state();
    for (method, path, status, code) in [
        ("GET", "/", 404, "HG1201"),
        ("GET", "/v1", 404, "HG1201"),
        ("GET", "/healthz/", 404, "HG1201"),
        ("POST", "/v1/status", 405, "HG1202"),
        ("DELETE", "/metrics", 405, "HG1202"),
        ("PUT", "/v1/overlays", 405, "HG1202"),
    ] {
        let (is, content_type, body) = ask(&state, method, path).await;
        assert_eq!((is, content_type.as_str()), (status, "application/problem+json"), "{path}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code);
        assert_eq!(problem["type"], format!("urn:headgate:error:{code}"));
    }
}

#[tokio::test]
async fn refused_method_is_told_what_is_allowed() {
    let (_change, state) = testing::state();
    let request = Request::post("/v1/status").body(Body::empty()).unwrap();
    let answer = router(state).oneshot(request).await.unwrap();
    assert_eq!(answer.headers()[header::ALLOW], "GET,HEAD");
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let (_change, state) = testing::state();
    let (status, content_type, body) = ask(&state, "HEAD", "/v1/status").await;
    assert_eq!((status, content_type.as_str(), body.as_str()), (200, JSON, ""));
}

#[tokio::test]
async fn every_path_answers_what_the_document_says() {
    let (change, state) = testing::state();
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.values().map(|item| item.as_object().unwrap().len());
    assert_eq!(operations.sum::<usize>(), ENDPOINTS.len());
    for (path, item) in paths.iter().filter(|(_, item)| item.get("get").is_some()) {
        for readiness in [Readiness::Starting, Readiness::Ready] {
            change.send_replace(readiness);
            let (status, content_type, body) = ask(&state, "GET", path).await;
            let answer = &item["get"]["responses"][status.to_string()];
            assert!(answer.is_object(), "{path} answers {status} unsaid");
            let media_type = content_type.split(';').next().unwrap();
            let content = &answer["content"][media_type];
            assert!(content.is_object(), "{path} answers {media_type} unsaid");
            if media_type == JSON {
                let body = serde_json::from_str(&body).unwrap();
                testing::conforms(&document, &content["schema"], &body, path);
            }
        }
    }
    let (_, _, problem) = ask(&state, "GET", "/none").await;
    let schema = &document["components"]["schemas"]["Problem"];
    testing::conforms(&document, schema, &serde_json::from_str(&problem).unwrap(), "/none");
}

#[tokio::test]
async fn facts_are_asked_for_by_length_and_place() {
    let (_change, state) = testing::state();
    let facts = ask_json(&state, "/v1/facts?since=15m").await;
    assert_eq!(facts, json!({ "facts": [], "since": 900, "next": false }));
    let facts = ask_json(&state, "/v1/facts?since=1h&after=7").await;
    assert_eq!(facts, json!({ "facts": [], "since": 3_600, "next": true }));
}

#[tokio::test]
async fn query_that_cannot_be_read_is_refused() {
    let (_change, state) = testing::state();
    for query in ["", "?since=soon", "?after=7", "?since=1m&after=x", "?since=1m&to=2m"] {
        let (status, _, body) = ask(&state, "GET", &format!("/v1/facts{query}")).await;
        assert_eq!(status, 400, "{query}: {body}");
        assert!(body.contains("HG1210"), "{query}: {body}");
    }
}

#[tokio::test]
async fn timeline_is_asked_for_by_length_and_place() {
    let (_change, state) = testing::state();
    let told = ask_json(&state, "/v1/history?since=15m&after=7.12").await;
    assert_eq!((&told["entries"][0]["to"], &told["next"]), (&json!("900"), &json!("7.12")));
    let document = document();
    let schema = &document["components"]["schemas"]["History"];
    testing::conforms(&document, schema, &told, "/v1/history");
    assert_eq!(ask(&state, "GET", "/v1/history").await.0, 400);
}

#[tokio::test]
async fn exchange_is_told_by_its_trace_as_the_document_says() {
    let (_change, state) = testing::state();
    let told = ask_json(&state, &format!("/v1/why/{}", testing::TRACE)).await;
    let document = document();
    let schema = &document["components"]["schemas"]["Why"];
    testing::conforms(&document, schema, &told, "/v1/why");
    assert_eq!(told["host"], "tv.example");
    assert_eq!(told["earlier"][0]["layers"][0]["observed"], 24.5);
}

#[tokio::test]
async fn exchange_that_is_not_kept_is_told_with_how_far_back_they_are() {
    let (_change, state) = testing::state();
    let (status, _, body) = ask(&state, "GET", &format!("/v1/why/{:032x}", 7)).await;
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &problem["code"]), (404, &json!("HG1225")));
    assert_eq!(problem["detail"], "of those that were shed, all 7");
    for bad in ["7", "0af7651916cd43dd8448eb211c80319x", &"0".repeat(32)] {
        assert_eq!(ask(&state, "GET", &format!("/v1/why/{bad}")).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn configuration_is_what_the_edge_says() {
    let (_change, state) = testing::state();
    assert_eq!(ask_json(&state, "/v1/config").await, json!({ "digest": "c0ffee" }));
}

#[tokio::test]
async fn passport_keys_turn_by_a_command_that_no_page_can_send() {
    let ask = async |content_type: &str, body: &str| {
        let (_change, state) = testing::state();
        let request = Request::post("/v1/passport/rotate")
            .header("content-type", content_type)
            .body(Body::from(body.to_owned()));
        let response = router(state).oneshot(request.unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status.as_u16(), serde_json::from_slice::<Value>(&body).unwrap())
    };
    let (status, body) = ask("application/json", "{\"force\": true}").await;
    assert_eq!((status, &body["signs"]), (200, &json!("a")));
    let (status, body) = ask("application/json", "{}").await;
    assert_eq!((status, &body["code"]), (409, &json!("HG1250")));
    assert_eq!(body["detail"], "upstreams have the next key after 90s");
    for (content_type, body) in [("text/plain", "{}"), ("application/json", "{\"forse\": true}")] {
        assert_eq!(ask(content_type, body).await.1["code"], "HG1204");
    }
}
