//! Events that fail for good, and how people bring them back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use headgate_tests::{Bff, Edge, Ended, edge, within};
use serde_json::{Value, json};

use crate::events::{JSON, function, handler, order_route, place, site};

/// A function that fails until it is mended.
async fn broken() -> (Bff, Arc<AtomicBool>) {
    let is_mended = Arc::<AtomicBool>::default();
    let mended = Arc::clone(&is_mended);
    let bff = function(move |seen| {
        if mended.load(Ordering::SeqCst) {
            return (200, JSON, String::from_utf8(seen.body.clone()).unwrap());
        }
        (500, JSON, "\"out of order\"".to_owned())
    })
    .await;
    (bff, is_mended)
}

async fn verb(edge: &Edge, arguments: &[&str]) -> Ended {
    let admin = format!("http://{}", edge.admin());
    let arguments: Vec<_> = arguments.iter().copied().chain(["--admin", &admin]).collect();
    edge::run(&arguments, edge.folder()).await
}

async fn json_of(edge: &Edge, arguments: &[&str]) -> Value {
    let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
    let ended = verb(edge, &arguments).await;
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

const RETRY: &str = "retry = { max = 1, backoff = \"1ms..2ms\" }";

#[tokio::test]
async fn event_that_fails_for_good_is_a_dead_letter_until_it_is_redriven() {
    let (bff, is_mended) = broken().await;
    let tables = [order_route(", wait = \"10s\"", ""), handler("charge", &bff, RETRY)];
    let edge = site(&tables).start().await;

    let reply = edge.send(place("o-1")).await;

    assert_eq!(reply.json(), json!({ "charge": { "error": "given up" } }));
    assert_eq!(bff.requests().len(), 2, "one retry");
    let listed = verb(&edge, &["dlq", "list"]).await;
    assert_eq!(listed.code(), 1, "one waits: {listed:?}");
    assert!(listed.stdout.contains("out of order"), "{}", listed.stdout);
    let letters = json_of(&edge, &["dlq", "list", "tv.charge"]).await;
    let letter = &letters[0];
    assert_eq!((&letter["state"], &letter["reason"]), (&"parked".into(), &"attempts".into()));
    assert_eq!((&letter["attempts"], &letter["key"]), (&2.into(), &"o-1".into()));
    assert_eq!(letter["trace_id"], reply.trace_id());
    let id = letter["id"].as_str().unwrap();
    let shown = json_of(&edge, &["dlq", "show", "tv.charge", id]).await;
    assert_eq!(shown["event"]["data"]["order_id"], "o-1");

    let plan = json_of(&edge, &["dlq", "redrive", "tv.charge", "--dry-run"]).await;
    assert_eq!(plan, json!({ "redriven": 1, "reasons": { "attempts": 1 }, "left": {} }));
    assert_eq!(bff.requests().len(), 2, "a dry run calls nobody");

    is_mended.store(true, Ordering::SeqCst);
    let by = ["dlq", "redrive", "tv.charge", "--actor", "eve", "--because", "mended"];
    let done = json_of(&edge, &by).await;
    assert_eq!(done, json!({ "redriven": 1, "left": 0, "loops": 0 }));
    let expected = json!({ "charge": { "order_id": "o-1" } });
    let location = reply.header("location");
    let ends = tokio::time::Instant::now() + headgate_tests::PATIENCE;
    while crate::events::results(&edge, location).await != expected {
        assert!(tokio::time::Instant::now() < ends, "the redrive never took effect");
    }
    let calls = bff.requests();
    let key = |at: usize| calls[at].header("idempotency-key").map(str::to_owned);
    assert_eq!((calls.len(), key(2)), (3, key(0)), "under the same key");
    let listed = verb(&edge, &["dlq", "list"]).await;
    assert_eq!(listed.code(), 0, "none waits: {listed:?}");
    let again = verb(&edge, &["dlq", "redrive", "tv.charge", id]).await;
    assert_eq!(again.code(), 2);
    assert!(again.stderr.contains("HG1237") && again.stderr.contains("done"), "{again:?}");
    let audit = json_of(&edge, &["events", "tail", "hg.audit"]).await;
    assert_eq!(audit["event"]["by"], json!({ "name": "eve", "why": "mended" }));
    let history = json_of(&edge, &["history", "--kind", "dead_letter"]).await;
    let [entry] = history.as_array().unwrap().as_slice() else { panic!("{history}") };
    assert_eq!((&entry["actor"], &entry["reason"]), (&"eve".into(), &"mended".into()));
    assert_eq!(
        (&entry["what"], &entry["to"]),
        (&"tv.charge".into(), &"1 redriven, 0 left, 0 in a loop".into())
    );
    // And so does the log, for the other edges.
    let told = within("the entry's event", async {
        loop {
            let told = verb(&edge, &["events", "tail", "hg.timeline"]).await.stdout;
            if told.contains("mended") {
                return told;
            }
        }
    })
    .await;
    assert!(told.contains("edge.timeline.v1") && told.contains("tv.charge"), "{told}");
}

#[tokio::test]
async fn letter_that_is_settled_by_a_person_is_not_handled_again() {
    let (bff, _) = broken().await;
    let tables = [order_route(", wait = \"10s\"", ""), handler("charge", &bff, RETRY)];
    let edge = site(&tables).start().await;
    let reply = edge.send(place("o-1")).await;
    assert_eq!(reply.status, 200);
    let letters = json_of(&edge, &["dlq", "list"]).await;
    let id = letters[0]["id"].as_str().unwrap().to_owned();
    edge.folder().write("result.json", "{\"paid\":\"in cash\"}");

    let how = ["--as", "done", "--result", "result.json", "--actor", "eve"];
    let settle: Vec<_> = ["dlq", "resolve", "tv.charge", &id].into_iter().chain(how).collect();
    assert_eq!(verb(&edge, &settle).await.code(), 0);
    let history = json_of(&edge, &["history", "--kind", "dead_letter"]).await;
    assert_eq!((&history[0]["actor"], &history[0]["to"]), (&"eve".into(), &"done".into()));
    assert_eq!(history[0]["what"], format!("{id} of tv.charge"));

    let found = crate::events::results(&edge, reply.header("location")).await;
    assert_eq!(found, json!({ "charge": { "paid": "in cash" } }));
    assert_eq!(bff.requests().len(), 2);
}

#[tokio::test]
async fn series_is_a_tree_of_events_and_handlers() {
    let outcome = json!({
        "result": 1,
        "emit": [{ "topic": "mail", "type": "mail.due.v1", "data": { "to": "a" } }],
    });
    let outcome = outcome.to_string();
    let bff = function(move |_| (200, crate::events::OUTCOME, outcome.clone())).await;
    let (mailer, _) = broken().await;
    let mail =
        handler("mailer", &mailer, RETRY).replace("orders/order.placed.v1", "mail/mail.due.v1");
    let tables = [order_route(", wait = \"10s\"", ""), handler("charge", &bff, ""), mail];
    let edge = site(&tables).start().await;
    let reply = edge.send(place("o-1")).await;
    let ends = tokio::time::Instant::now() + headgate_tests::PATIENCE;
    let series = loop {
        let series = json_of(&edge, &["trace", reply.trace_id()]).await;
        let text = series.to_string();
        if text.contains("parked") {
            break series;
        }
        assert!(tokio::time::Instant::now() < ends, "never parked: {text}");
    };
    let root = &series["events"][0];
    assert_eq!((&root["type"], &root["topic"]), (&"order.placed.v1".into(), &"orders".into()));
    assert_eq!(root["handlers"][0]["group"], "tv.charge");
    assert_eq!(root["handlers"][0]["state"], "done");
    let followed = root["followed"].as_array().unwrap();
    let mail = followed.iter().find(|node| node["topic"] == "mail").unwrap();
    assert_eq!(mail["handlers"][0]["state"], "parked");
    assert!(mail["handlers"][0]["dead_letter"].is_string());
    let text = verb(&edge, &["trace", reply.trace_id()]).await.stdout;
    assert!(text.contains("└─ order.placed.v1 in orders"), "{text}");
    assert!(text.contains("tv.mailer: parked after 2 attempts"), "{text}");

    let topics = verb(&edge, &["topics"]).await.stdout;
    assert!(topics.contains("orders") && topics.contains("hg.dlq.tv.mailer"), "{topics}");
    let groups = verb(&edge, &["groups"]).await.stdout;
    assert!(groups.contains("tv.charge") && groups.contains("running"), "{groups}");
    let id = root["id"].as_str().unwrap();
    let event = json_of(&edge, &["events", "get", id]).await;
    assert_eq!(event["event"]["data"], json!({ "order_id": "o-1" }));
    let tail = verb(&edge, &["events", "tail", "orders"]).await.stdout;
    assert!(tail.contains(id), "{tail}");
    let none = verb(&edge, &["trace", "0123456789abcdef0123456789abcdef"]).await;
    assert_eq!(none.code(), 2);
    assert!(none.stderr.contains("HG1236"), "{}", none.stderr);
}
