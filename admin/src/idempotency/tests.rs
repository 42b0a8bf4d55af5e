use axum::{body::Body, http::Request};
use headgate_idempotency::{
    Claim, Claimed, Fingerprint, Hold, Outcome, Park, RecordKey, Recorded, Scope,
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::{api::router, openapi::document, testing};

const SECRET: &str = "a-secret-name";

fn key(scope: &str, raw: &str) -> RecordKey {
    RecordKey::new(&Scope::new(scope).unwrap(), raw.to_owned()).unwrap()
}

fn claim(records: &Records, key: &RecordKey) -> Claim {
    Claim::new(key.clone(), Fingerprint::of_bytes(SECRET.as_bytes()), records.settings())
}

async fn left(records: &Records, scope: &str, raw: &str, outcome: Outcome) -> RecordKey {
    let key = key(scope, raw);
    let Ok(Claimed::Run(ticket)) = records.claim(claim(records, &key)).await else {
        panic!("{raw} is not free");
    };
    records.settle(ticket, outcome).await.unwrap();
    key
}

async fn held(records: &Records, scope: &str, raw: &str) -> RecordKey {
    let outcome = Hold { error: "the service broke off".to_owned(), ..Hold::default() };
    left(records, scope, raw, Outcome::Hold(outcome)).await
}

/// An edge with records of which nobody waits, and the records.
fn edge() -> (State, Records) {
    let (_change, state) = testing::state();
    let records = state.records.clone().unwrap();
    (state, records)
}

async fn send(state: &State, request: Request<Body>) -> (u16, Value) {
    let answer = router(state.clone()).oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn get(state: &State, path: &str) -> (u16, Value) {
    send(state, Request::get(path).body(Body::empty()).unwrap()).await
}

fn path(key: &RecordKey) -> String {
    format!("/v1/idempotency/held/{}", key.id().replace('/', "%2F").replace('#', "%23"))
}

async fn resolve(state: &State, key: &RecordKey, body: &Value) -> (u16, Value) {
    let request = Request::post(format!("{}/resolve", path(key)))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()));
    send(state, request.unwrap()).await
}

async fn outcome(records: &Records, key: &RecordKey) -> Recorded {
    records.outcome(key).await.unwrap().expect("the key has an outcome")
}

#[tokio::test]
async fn keys_that_wait_are_found_step_by_step() {
    let (state, records) = edge();
    for number in 0..7 {
        held(&records, "http/tv/order", &format!("held-{number}")).await;
        let outcome = Outcome::Done(Commit::new("done"));
        left(&records, "http/tv/order", &format!("done-{number}"), outcome).await;
    }
    let parked = Outcome::Park(Park { error: "poison".to_owned(), ..Park::default() });
    left(&records, "billing.charge@1", "parked", parked).await;

    let (mut found, mut after, mut steps) = (Vec::new(), String::new(), 0);
    loop {
        let (status, page) = get(&state, &format!("/v1/idempotency/held?limit=2{after}")).await;
        assert_eq!(status, 200);
        let schema = json!({ "$ref": "#/components/schemas/HeldKeys" });
        testing::conforms(&document(), &schema, &page, "page");
        let page: HeldKeys = serde_json::from_value(page).unwrap();
        assert!(page.keys.len() <= 2, "a step is bounded");
        found.extend(page.keys);
        steps += 1;
        let Some(next) = page.next else { break };
        after = format!("&after={}", next.replace('#', "%23"));
    }
    assert_eq!((found.len(), steps), (8, 9), "15 records by two");
    let states: Vec<_> = found.iter().map(|key| (&*key.state, &*key.error)).collect();
    assert_eq!(states[0], ("parked", "poison"));
    assert!(states[1..].iter().all(|state| *state == ("in_doubt", "the service broke off")));
    assert_eq!((&*found[0].scope, &*found[7].scope), ("billing.charge@1", "http/tv/order"));
}

#[tokio::test]
async fn nothing_that_may_be_a_secret_is_shown() {
    let (state, records) = edge();
    let key = held(&records, "http/tv/order", SECRET).await;

    for path in [path(&key), "/v1/idempotency/held".to_owned()] {
        let (status, body) = get(&state, &path).await;
        assert_eq!(status, 200);
        assert!(body.to_string().contains("in_doubt"), "{body}");
        assert!(!body.to_string().contains(SECRET), "{body}");
    }
}

#[tokio::test]
async fn what_was_done_is_answered_from_then_on() {
    let (state, records) = edge();
    let key = held(&records, "http/tv/order", "k").await;
    let fence = get(&state, &path(&key)).await.1["fence"].clone();
    let done = json!({ "fence": fence, "as": "done", "status": 201, "result": "{\"order\":1}" });

    let (status, body) = resolve(&state, &key, &done).await;

    assert_eq!((status, &body["as"]), (200, &json!("done")), "{body}");
    let recorded = outcome(&records, &key).await;
    let http::Answer::Kept { status, headers, body } =
        http::Answer::decode(recorded.result).unwrap()
    else {
        panic!("the answer is kept");
    };
    assert_eq!((status.as_u16(), &*body), (201, b"{\"order\":1}".as_slice()));
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(resolve(&state, &key, &done).await.1["code"], "HG1212", "it waits no more");
}

#[tokio::test]
async fn what_was_done_without_an_answer_is_known_as_done() {
    let (state, records) = edge();
    let route = held(&records, "http/tv/order", "k").await;
    let handler = held(&records, "billing.charge@1", "k").await;
    for key in [&route, &handler] {
        let fence = get(&state, &path(key)).await.1["fence"].clone();
        let (status, _) = resolve(&state, key, &json!({ "fence": fence, "as": "done" })).await;
        assert_eq!(status, 200);
    }
    let answer = http::Answer::decode(outcome(&records, &route).await.result).unwrap();
    assert_eq!(answer, http::Answer::NotKept { status: StatusCode::OK });
    assert_eq!(outcome(&records, &handler).await.result, "null");
}

#[tokio::test]
async fn what_was_not_done_is_free_again() {
    let (state, records) = edge();
    for scope in ["http/tv/order", "billing.charge@1"] {
        let key = held(&records, scope, "k").await;
        let fence = get(&state, &path(&key)).await.1["fence"].clone();
        let (status, _) = resolve(&state, &key, &json!({ "fence": fence, "as": "not_done" })).await;
        assert_eq!(status, 200);
        let claimed = records.claim(claim(&records, &key)).await;
        assert!(matches!(claimed, Ok(Claimed::Run(_))), "{claimed:?}");
    }
    assert_eq!(records.stats().resolved, 2);
}

#[tokio::test]
async fn a_key_that_moved_is_not_resolved() {
    let (state, records) = edge();
    let key = held(&records, "http/tv/order", "k").await;
    let fence = get(&state, &path(&key)).await.1["fence"].as_u64().unwrap();

    let (status, body) = resolve(&state, &key, &json!({ "fence": fence + 1, "as": "done" })).await;

    assert_eq!((status, &body["code"]), (409, &json!("HG1213")));
    assert!(records.held(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_not_understood_changes_nothing() {
    let (state, records) = edge();
    let key = held(&records, "http/tv/order", "k").await;
    let handler = held(&records, "billing.charge@1", "k").await;
    let fence = |of: &Value| of["fence"].clone();
    let route_fence = fence(&get(&state, &path(&key)).await.1);
    let handler_fence = fence(&get(&state, &path(&handler)).await.1);
    for (key, body) in [
        (&key, json!({ "as": "done" })),
        (&key, json!({ "fence": route_fence, "as": "perhaps" })),
        (&key, json!({ "fence": route_fence, "as": "done", "colour": "red" })),
        (&key, json!({ "fence": route_fence, "as": "done", "status": 500 })),
        (&key, json!({ "fence": route_fence, "as": "not_done", "result": "{}" })),
        (&key, json!({ "fence": route_fence, "as": "done", "result": "{}", "content_type": "\n" })),
        (&key, json!({ "fence": route_fence, "as": "done", "reason": "x".repeat(501) })),
        (&handler, json!({ "fence": handler_fence, "as": "done", "status": 201 })),
        (&handler, json!({ "fence": handler_fence, "as": "done", "result": "no JSON" })),
    ] {
        let (status, answer) = resolve(&state, key, &body).await;
        assert_eq!((status, &answer["code"]), (400, &json!("HG1214")), "{body}");
        assert!(answer["detail"].is_string(), "{answer}");
    }
    // What a page in a browser may send to anybody.
    let body = json!({ "fence": route_fence, "as": "done" }).to_string();
    let form = Request::post(format!("{}/resolve", path(&key)))
        .header(header::CONTENT_TYPE, "text/plain")
        .body(Body::from(body));
    assert_eq!(send(&state, form.unwrap()).await.0, 400);
    for query in ["limit=0", "limit=1025", "limit=many", "colour=red", "after=%2"] {
        let (status, _) = get(&state, &format!("/v1/idempotency/held?{query}")).await;
        assert_eq!(status, 400, "{query}");
    }
    for key in [&key, &handler] {
        assert!(records.held(key).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn an_edge_without_records_says_so() {
    let (mut state, _records) = edge();
    state.records = None;
    let (status, body) = get(&state, "/v1/idempotency/held").await;
    assert_eq!((status, &body["code"]), (503, &json!("HG1211")));
}
