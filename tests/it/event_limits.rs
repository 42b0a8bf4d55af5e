//! Calls of functions pass what protects their upstream, with the requests that go there.

use headgate_tests::{Bff, Client, Site, eventually, get, route, upstream, within};
use serde_json::Value;

use crate::events::{order_route, place, platform, site};

/// A handler that calls a configured upstream.
fn charging_at(upstream: &str, more: &str) -> String {
    format!(
        "[handler.charge]\non = \"orders/order.placed.v1\"\ncall = \"{upstream}/charge\"\n{more}\n"
    )
}

fn limited(name: &str, bff: &Bff, mode: &str) -> String {
    let limit = format!("concurrency = {{ mode = \"{mode}\", initial = 2, min = 2, max = 2 }}");
    upstream(name, &[&bff.endpoint()], &limit)
}

#[tokio::test]
async fn functions_are_called_as_often_at_once_as_their_upstream_bears() {
    for (mode, most) in [("enforce", 2), ("off", 6)] {
        let bff = Bff::hanging().await;
        let handler = charging_at("pay", "concurrency = 6");
        let edge = site(&[order_route("", ""), limited("pay", &bff, mode), handler]).start().await;
        let mut client = edge.h1().await;
        for number in 0..12 {
            assert_eq!(client.send(place(&format!("o-{number}"))).await.status, 202);
        }
        eventually("calls", || (bff.requests().len() >= most).then_some(())).await;
        within("deliveries at work", async {
            loop {
                let groups = edge.ask("/v1/groups").await.json();
                if groups["groups"][0]["in_flight"].as_u64() == Some(6) {
                    return;
                }
            }
        })
        .await;
        assert_eq!(bff.requests().len(), most, "{mode}");
    }
}

#[tokio::test]
async fn requests_and_functions_share_an_upstreams_limit() {
    let bff = Bff::hanging().await;
    let no_retry = "retry = { max = 0, on = [] }\ntimeout = \"60s\"";
    let tables = [
        order_route("", ""),
        limited("pay", &bff, "enforce"),
        charging_at("pay", ""),
        route("pay", "GET /tv/pay", "pay", no_retry),
    ];
    let edge = Site::new().platform(&platform()).team("tv", &tables).start().await;
    let address = edge.plain();
    let request = tokio::spawn(async move { Client::h1(address).await.send(get("/tv/pay")).await });
    bff.saw(1).await;
    assert_eq!(edge.send(place("o-1")).await.status, 202);
    bff.saw(2).await;

    let refused = edge.send(get("/tv/pay")).await;

    assert_eq!((refused.status, refused.outcome().as_str()), (503, "limited_concurrency"));
    request.abort();
}

#[tokio::test]
async fn endpoint_whose_function_fails_is_left_out() {
    let (fails, works) = (Bff::failing(500).await, crate::events::charging().await);
    let breaker = "breaker = { consecutive_failures = 1 }";
    let pay = upstream("pay", &[&fails.endpoint(), &works.endpoint()], breaker);
    let retry = "retry = { max = 50, backoff = \"1ms..2ms\" }";
    let tables = [order_route("", ""), pay, charging_at("pay", retry)];
    let edge = site(&tables).start().await;
    let mut client = edge.h1().await;

    let opened = within("open breaker", async {
        for number in 0.. {
            assert_eq!(client.send(place(&format!("o-{number}"))).await.status, 202);
            let history = edge.ask("/v1/history?since=1h").await.json();
            let what = format!("{} of tv/pay", fails.endpoint());
            let entries = history["entries"].as_array().unwrap();
            let is_its = |entry: &&Value| entry["kind"] == "breaker" && entry["what"] == *what;
            if let Some(entry) = entries.iter().find(is_its) {
                return entry.clone();
            }
        }
        Value::Null
    })
    .await;

    assert_eq!(opened["from"], "closed", "{opened}");
    assert!(!fails.requests().is_empty());
}
