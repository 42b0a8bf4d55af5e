//! What comes of a request is pushed to its owner, once, in order, and without a gap.

use std::{collections::BTreeSet, time::Duration};

use headgate_tests::{
    Edge, Raw, Seen, Site, get, post,
    push::{PUSH, Stream},
    websocket::{CLOSE, PING, PONG, TEXT, masked, read_frame},
    within,
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::events::{JSON, OUTCOME, charging, function, handler, order_route, place, platform};

fn order_of(key: &str, id: &str) -> headgate_tests::client::Call {
    post("/tv/orders", json!({ "order_id": id }).to_string()).header("x-api-key", key)
}

/// The event's data that a function was called with.
fn of(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

/// A site whose orders are handled by one function, `charge`.
fn site(charge: &headgate_tests::Bff) -> Site {
    Site::new()
        .platform(&platform())
        .team("tv", &[order_route("", ""), handler("charge", charge, "")])
}

/// The next frame of a WebSocket that is no sign of life.
async fn heard(raw: &mut Raw) -> (u8, Vec<u8>) {
    loop {
        let (opcode, payload) = read_frame(raw).await;
        if opcode != PING {
            return (opcode, payload);
        }
    }
}

/// Places an order, and returns its trace.
async fn order(edge: &Edge, key: &str, id: &str) -> String {
    let reply = edge.send(order_of(key, id)).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.trace_id().to_owned()
}

#[tokio::test]
async fn result_comes_by_itself_to_its_owner() {
    let bff = charging().await;
    let edge = site(&bff).start().await;
    let mut alice = Stream::open(&edge, "alice-key", None).await;
    let mut bob = Stream::open(&edge, "bob-key", None).await;

    let trace = order(&edge, "alice-key", "o-1").await;

    let pushed = alice.pushed().await;
    assert_eq!((&pushed["event"], &pushed["trace_id"]), (&"result".into(), &trace.clone().into()));
    let expected = json!({ "handler": "charge", "outcome": "done", "result": { "charged": true } });
    assert_eq!(pushed["data"], expected);
    // What bob gets first is his own, so alice's was not given to him before.
    let own = order(&edge, "bob-key", "o-2").await;
    assert_eq!(bob.pushed().await["trace_id"], own);
    let metrics = edge.metrics().await;
    assert_eq!(metrics.sum("headgate_gateway_push_open_connections", &[]), 2);
    assert_eq!(metrics.sum("headgate_gateway_push_given_events_total", &[]), 2);
}

#[tokio::test]
async fn event_stream_is_as_good_over_http2() {
    let bff = charging().await;
    let edge = site(&bff).start().await;
    let mut alice = Stream::over(edge.h2().await, "alice-key", None).await;
    let trace = order(&edge, "alice-key", "o-1").await;
    assert_eq!(alice.pushed().await["trace_id"], trace);
}

#[tokio::test]
async fn refusals_messages_and_what_is_given_up_are_told_too() {
    let bff = function(|seen| match of(seen)["order_id"].as_str() {
        Some("bad") => (422, JSON, "{}".to_owned()),
        Some("broken") => (500, JSON, "{}".to_owned()),
        _ => (200, OUTCOME, json!({ "result": 1, "push": { "state": "soon\n" } }).to_string()),
    })
    .await;
    let retry = "retry = { max = 1, backoff = \"1ms..2ms\" }";
    let tables = [order_route("", ""), handler("charge", &bff, retry)];
    let edge = Site::new().platform(&platform()).team("tv", &tables).start().await;
    let mut alice = Stream::open(&edge, "alice-key", None).await;

    order(&edge, "alice-key", "bad").await;
    let refused = alice.pushed().await;
    assert_eq!(refused["data"]["outcome"], "refused");
    assert!(refused["data"]["result"]["error"].is_string(), "{refused}");

    order(&edge, "alice-key", "good").await;
    let message = alice.pushed().await;
    assert_eq!(message["event"], "message");
    assert_eq!(message["data"], json!({ "handler": "charge", "push": { "state": "soon\n" } }));
    let done = alice.pushed().await;
    assert_eq!((&done["event"], &done["data"]["result"]), (&"result".into(), &1.into()));

    order(&edge, "alice-key", "broken").await;
    let given_up = alice.pushed().await;
    assert_eq!(given_up["data"], json!({ "handler": "charge", "outcome": "given_up" }));
}

#[tokio::test]
async fn websocket_is_told_the_same() {
    let bff = charging().await;
    let edge = site(&bff).start().await;
    let mut raw = edge.raw().await;
    raw.send(
        "GET /_headgate/push HTTP/1.1\r\nhost: edge\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nx-api-key: alice-key\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    let ready: Value = serde_json::from_slice(&heard(&mut raw).await.1).unwrap();
    assert_eq!(ready["event"], "ready");

    let trace = order(&edge, "alice-key", "o-1").await;

    let (opcode, text) = heard(&mut raw).await;
    let pushed: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((opcode, &pushed["event"]), (TEXT, &"result".into()));
    assert_eq!(pushed["trace_id"], trace);
    let mut stream = Stream::open(&edge, "alice-key", ready["position"].as_u64()).await;
    assert_eq!(stream.pushed().await, pushed, "both kinds of connection say the same");
    raw.send(masked(PING, b"alive?")).await;
    assert_eq!(heard(&mut raw).await, (PONG, b"alive?".to_vec()));
    raw.send(masked(CLOSE, &1000_u16.to_be_bytes())).await;
    assert_eq!(heard(&mut raw).await.0, CLOSE);
    let line = edge.access_line_of(PUSH).await;
    assert_eq!((&line["status"], &line["outcome"]), (&101.into(), &"ok".into()));
}

#[tokio::test]
async fn push_asks_for_a_credential_and_a_place_that_was_given() {
    let bff = charging().await;
    let edge = site(&bff).start().await;
    let nobody = edge.send(get(PUSH)).await;
    assert_eq!((nobody.status, &nobody.problem()["code"]), (401, &"HG0002".into()));
    let unknown = edge.send(get(PUSH).header("x-api-key", "carol-key")).await;
    assert_eq!(unknown.status, 401);
    let ask = get(PUSH).header("x-api-key", "alice-key").header("last-event-id", "x");
    let place = edge.send(ask).await;
    assert_eq!((place.status, &place.problem()["code"]), (400, &"HG0006".into()));
    let plain = Site::to(&bff).start().await;
    assert_eq!(plain.send(get(PUSH)).await.problem()["code"], "HG0001", "there are no events");
}

#[tokio::test]
async fn nothing_is_missed_while_the_edge_is_killed() {
    let bff = charging().await;
    let edge = site(&bff).start().await;
    let mut stream = Stream::open(&edge, "alice-key", None).await;
    let mut traces = vec![order(&edge, "alice-key", "o-0").await];
    assert_eq!(stream.pushed().await["trace_id"], traces[0]);
    for number in 1..20 {
        traces.push(order(&edge, "alice-key", &format!("o-{number}")).await);
    }
    let last = stream.last;

    let edge = edge.kill_and_start().await;
    traces.push(order(&edge, "alice-key", "o-20").await);

    let mut stream = Stream::open(&edge, "alice-key", last).await;
    let mut seen = BTreeSet::from([traces[0].clone()]);
    let mut before = last;
    while seen.len() < traces.len() {
        let pushed = stream.pushed().await;
        assert!(seen.insert(pushed["trace_id"].as_str().unwrap().to_owned()), "{pushed} again");
        assert!(stream.last > before, "places rise");
        before = stream.last;
    }
    assert_eq!(seen, traces.into_iter().collect());
    // All that is kept, from its beginning.
    let mut all = Stream::open(&edge, "alice-key", Some(0)).await;
    for _ in 0..seen.len() {
        all.pushed().await;
    }
    assert_eq!(all.last, before);
    // A place of another log, which this one has not come to.
    let mut client = edge.h1().await;
    let ask = get(PUSH).header("x-api-key", "alice-key").header("last-event-id", "999999");
    let mut response = client.open(ask).await;
    let mut text = String::new();
    while text.matches("event: ").count() < 3 {
        let frame = within("what is said", response.frame()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    assert!(text.contains("event: gap"), "{text}");
    assert!(text.contains("event: result"), "{text}");
}

#[tokio::test]
async fn slow_reader_is_cut_off_and_goes_on_where_it_was() {
    let big = "x".repeat(50_000);
    let bff = function(move |_| (200, JSON, json!({ "big": big }).to_string())).await;
    let edge = site(&bff).edge("push.max_waiting = 4").start().await;
    let mut raw = edge.raw().await;
    raw.send("GET /_headgate/push HTTP/1.1\r\nhost: edge\r\nx-api-key: alice-key\r\n\r\n").await;
    raw.head().await;
    let mut reader = Stream::open(&edge, "alice-key", None).await;
    let begin = reader.last;

    let mut client = edge.h1().await;
    let mut is_cut = false;
    for number in 0..600 {
        // One at a time, so that the reader who reads is never behind.
        let reply = client.send(order_of("alice-key", &format!("o-{number}"))).await;
        assert_eq!(reply.status, 202);
        reader.pushed().await;
        let metrics = edge.metrics().await;
        is_cut = metrics.sum("headgate_gateway_push_cut_off_connections_total", &[]) > 0;
        if is_cut {
            break;
        }
    }

    assert!(is_cut, "a client that reads nothing is cut off");
    edge.metrics_show("one connection is left", |metrics| {
        metrics.sum("headgate_gateway_push_open_connections", &[]) == 1
    })
    .await;
    // What it had not read is still there for it.
    let mut again = Stream::open(&edge, "alice-key", begin).await;
    while again.last < reader.last {
        again.pushed().await;
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_to_come_back() {
    let bff = charging().await;
    let edge = site(&bff).edge("push.max_connections = 1").start().await;
    let first = Stream::open(&edge, "alice-key", None).await;
    let second = edge.send(get(PUSH).header("x-api-key", "bob-key")).await;
    assert_eq!((second.status, &second.problem()["code"]), (503, &"HG0043".into()));
    assert!(!second.header("retry-after").is_empty());
    drop(first);
    edge.metrics_show("the place is free", |metrics| {
        metrics.sum("headgate_gateway_push_open_connections", &[]) == 0
            && metrics.sum("headgate_gateway_push_refused_connections_total", &[]) == 1
    })
    .await;
    Stream::open(&edge, "bob-key", None).await;
}

#[tokio::test]
async fn drain_tells_when_to_come_back() {
    let bff = charging().await;
    let mut edge = site(&bff).start().await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(Stream::open(&edge, "alice-key", None).await);
    }

    edge.terminate();

    let mut waits = BTreeSet::new();
    for stream in &mut streams {
        let said = stream.next().await.expect("a goodbye");
        assert_eq!(said.event, "goaway");
        let wait = said.retry.unwrap();
        assert_eq!(said.data["back_after_ms"], wait);
        assert!((1_000..=5_000).contains(&wait), "{wait}");
        waits.insert(wait);
        assert_eq!(stream.next().await, None, "the stream ends");
    }
    assert!(waits.len() > 4, "they do not come back together: {waits:?}");
    assert_eq!(edge.ended().await.code(), 0);
}

#[tokio::test]
async fn withdrawn_credential_ends_the_push() {
    let bff = charging().await;
    let edge = site(&bff).edge("push.heartbeat = \"50ms\"").start().await;
    let mut alice = Stream::open(&edge, "alice-key", None).await;
    let mut bob = Stream::open(&edge, "bob-key", None).await;
    let before = edge.config().await;
    let text = std::fs::read_to_string(edge.folder().path().join("headgate.toml")).unwrap();
    let digest = headgate_tests::identity::sha256("alice-key");
    let other = headgate_tests::identity::sha256("carol-key");
    edge.folder().write("headgate.toml", text.replace(&digest, &other));
    edge.config_changes(&before).await;

    assert_eq!(alice.next().await.expect("a goodbye").event, "goaway");
    let own = order(&edge, "bob-key", "o-1").await;
    assert_eq!(bob.pushed().await["trace_id"], own, "bob's is as good as before");
}

/// Orders that many clients are told of.
const ORDERS: usize = 12;

/// Scenario S26 in short: clients that are dropped at random see each result once, in one order.
/// `cargo xtask load push` has thousands of them.
#[tokio::test]
async fn many_clients_that_drop_see_each_result_once() {
    // More where there is time.
    let clients = if std::env::var_os("HEADGATE_SLOW_TESTS").is_some() { 1_000 } else { 60 };
    let bff = charging().await;
    let edge = site(&bff)
        .edge("max_connections_per_client = 5000")
        .edge("push.heartbeat = \"100ms\"")
        .start()
        .await;
    let start = Stream::open(&edge, "alice-key", None).await.last;
    let edge = std::sync::Arc::new(edge);
    let mut all = tokio::task::JoinSet::new();
    for seed in 0..clients {
        let edge = std::sync::Arc::clone(&edge);
        all.spawn(async move {
            let (mut last, mut seen, mut turn) = (start, Vec::new(), seed);
            while seen.len() < ORDERS {
                let mut stream = Stream::open(&edge, "alice-key", last).await;
                // Dropped after some, each client at places of its own.
                turn = (turn * 7 + 3) % 5;
                for _ in 0..=turn {
                    if seen.len() < ORDERS {
                        seen.push(stream.pushed().await["id"].as_str().unwrap().to_owned());
                    }
                }
                last = stream.last;
            }
            seen
        });
    }
    let mut client = edge.h1().await;
    for number in 0..ORDERS {
        let reply = client.send(place(&format!("o-{number}"))).await;
        assert_eq!(reply.status, 202);
    }
    let seen = tokio::time::timeout(Duration::from_mins(2), all.join_all()).await.unwrap();
    let first = seen[0].clone();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), ORDERS, "each once");
    assert!(seen.iter().all(|other| *other == first), "everybody the same, in one order");
}
