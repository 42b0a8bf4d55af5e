use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::*;
use crate::{api::router, openapi::document, testing};

fn asked() -> Value {
    json!({ "key": "edge.timeout", "value": "2s", "for": "1h", "actor": "ada", "reason": "slow" })
}

async fn send(request: Request<Body>) -> (u16, Value) {
    let (_change, state) = testing::state();
    let answer = router(state).oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn post(body: &Value) -> (u16, Value) {
    let request = Request::post("/v1/overlays").header("content-type", "application/json");
    send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn overlay_that_is_set_is_told() {
    let (status, body) = post(&asked()).await;
    assert_eq!(status, 201);
    let expected = ("edge.timeout", "2s", "ada", "slow");
    let text = |key: &str| body[key].as_str().unwrap().to_owned();
    assert_eq!((&*text("key"), &*text("value"), &*text("actor"), &*text("reason")), expected);
    let document = document();
    let operation = &document["paths"]["/v1/overlays"]["post"];
    let schema = &operation["responses"]["201"]["content"]["application/json"]["schema"];
    testing::conforms(&document, schema, &body, "/v1/overlays");
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    testing::conforms(&document, schema, &asked(), "request");
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let mut body = asked();
    body["key"] = json!(7);
    body["for"] = json!("31d");
    body["reason"] = json!(" ");
    body["expect"] = json!("seven");
    body["why"] = json!("no such member");
    body.as_object_mut().unwrap().remove("actor");
    let (status, problem) = post(&body).await;
    assert_eq!((status, &problem["code"]), (422, &json!("HG1205")));
    let mut keys: Vec<_> =
        problem["faults"].as_array().unwrap().iter().map(|one| &one["key"]).collect();
    keys.sort_by_key(ToString::to_string);
    assert_eq!(keys, ["actor", "expect", "for", "key", "reason", "why"]);
    let document = document();
    let schema = &document["components"]["schemas"]["Problem"];
    testing::conforms(&document, schema, &problem, "problem");
}

#[tokio::test]
async fn each_refusal_has_its_status() {
    for (key, status, code) in
        [("edge.bad", 422, "HG1205"), ("edge.full", 409, "HG1207"), ("edge.busy", 503, "HG1208")]
    {
        let mut body = asked();
        body["key"] = json!(key);
        let (is, problem) = post(&body).await;
        assert_eq!((is, &problem["code"]), (status, &json!(code)), "{key}");
    }
}

#[tokio::test]
async fn form_of_another_page_is_refused() {
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let request = Request::post("/v1/overlays").header("content-type", content_type);
        let (status, problem) = send(request.body(Body::from(asked().to_string())).unwrap()).await;
        assert_eq!((status, &problem["code"]), (400, &json!("HG1204")), "{content_type}");
    }
    let request = Request::post("/v1/overlays").header("content-type", "application/json");
    let (status, _) = send(request.body(Body::from("[1]")).unwrap()).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn overlay_ends_by_its_number() {
    let delete =
        |id: &str| Request::delete(format!("/v1/overlays/{id}")).body(Body::empty()).unwrap();
    let (status, body) = send(delete("1")).await;
    assert_eq!((status, &body["id"]), (200, &json!(1)));
    let (_, body) = send(delete("1?actor=ada&reason=INC-7%20is%20over&expect=7")).await;
    assert_eq!((&body["actor"], &body["reason"]), (&json!("ada"), &json!("INC-7 is over")));
    for query in ["actor=", "expect=x", "who=ada"] {
        let (status, problem) = send(delete(&format!("1?{query}"))).await;
        assert_eq!((status, &problem["code"]), (400, &json!("HG1210")), "{query}");
    }
    for id in ["2", "one", "-1"] {
        let (status, problem) = send(delete(id)).await;
        assert_eq!((status, &problem["code"]), (404, &json!("HG1206")), "{id}");
    }
}
