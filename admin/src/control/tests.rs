use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{api::router, openapi::document, testing};

async fn send(request: Request<Body>) -> (u16, Value) {
    let (_change, state) = testing::state();
    let answer = router(state).oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn get(path: &str) -> (u16, Value) {
    send(Request::get(path).body(Body::empty()).unwrap()).await
}

async fn rollback(body: &Value) -> (u16, Value) {
    let request = Request::post("/v1/control/rollback").header("content-type", "application/json");
    send(request.body(Body::from(body.to_string())).unwrap()).await
}

fn wish(to: u64) -> Value {
    json!({ "to": to, "actor": "ada", "reason": "INC-7" })
}

/// Checks an answer against the API's document.
fn conforms(pointer: &str, body: &Value) {
    let document = document();
    let operation = document.pointer(&format!("/paths/{pointer}")).unwrap();
    let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    testing::conforms(&document, schema, body, pointer);
}

#[tokio::test]
async fn versions_are_told_page_by_page() {
    let (status, body) = get("/v1/control").await;
    assert_eq!((status, &body["version"]), (200, &json!(7)));
    conforms("~1v1~1control/get", &body);
    let (status, body) = get("/v1/control/versions?before=5&limit=2").await;
    assert_eq!((status, &body["next"]), (200, &json!(3)));
    conforms("~1v1~1control~1versions/get", &body);
    for query in ["before=x", "limit=-1", "after=2"] {
        let (status, problem) = get(&format!("/v1/control/versions?{query}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("HG1210")), "{query}");
    }
}

#[tokio::test]
async fn rollback_tells_what_it_restored() {
    let (status, body) = rollback(&wish(2)).await;
    assert_eq!((status, &body["version"], &body["to"]), (200, &json!(8), &json!(2)));
    conforms("~1v1~1control~1rollback/post", &body);
}

#[tokio::test]
async fn each_refusal_of_a_change_says_why() {
    for (to, status, code, words) in [
        (90, 404, "HG1263", ""),
        (91, 409, "HG1260", "expected was version 7, and version 8 stands, by bob at 14:03: INC-8"),
        (92, 503, "HG1261", "no broker answers"),
        (93, 503, "HG1262", ""),
    ] {
        let (is, problem) = rollback(&wish(to)).await;
        assert_eq!((is, &problem["code"]), (status, &json!(code)), "{to}");
        assert_eq!(problem["detail"].as_str().unwrap_or_default(), words, "{to}");
    }
}

#[tokio::test]
async fn rollback_needs_an_actor_a_reason_and_json() {
    let mut nobody = wish(2);
    nobody["actor"] = json!(" ");
    let (status, problem) = rollback(&nobody).await;
    assert_eq!((status, &problem["code"]), (400, &json!("HG1214")));
    let form = Request::post("/v1/control/rollback").header("content-type", "text/plain");
    let (status, _) = send(form.body(Body::from(wish(2).to_string())).unwrap()).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn what_was_in_force_is_asked_by_time_or_version() {
    let (status, body) = get("/v1/control/config?version=3").await;
    assert_eq!((status, &body["version"]), (200, &json!(3)));
    conforms("~1v1~1control~1config/get", &body);
    let (status, problem) = get("/v1/control/config?time=2026-11-21T14:03:00Z").await;
    assert_eq!((status, &problem["code"]), (404, &json!("HG1264")));
    for query in ["", "time=14:03", "version=-1", "version=1&time=2026-11-21T14:03:00Z"] {
        let (status, problem) = get(&format!("/v1/control/config?{query}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("HG1210")), "{query}");
    }
}
