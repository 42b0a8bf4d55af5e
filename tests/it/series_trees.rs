//! Every series is one tree of one trace, through failures, dead letters and redrives.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use headgate_tests::{Bff, Edge, Seen, edge, within};
use serde_json::{Value, json};

use crate::events::{JSON, OUTCOME, function, handler, order_route, place, site};

/// Series that are looked at.
const SERIES: usize = 30;
/// Of so many, one is given up until its mailer is mended.
const LATE_OF: usize = 3;
/// Events of each: the order, its stock and its mail, and that the mail was sent.
const EVENTS: usize = 4;
const TOPICS: [&str; 4] = ["orders", "stock", "mail", "sent"];

/// Fails once for each event, as a function may, and then answers with what it emits.
async fn emitting(emits: Vec<Value>) -> Bff {
    let seen_before = Arc::<std::sync::Mutex<BTreeSet<String>>>::default();
    function(move |seen| {
        let id = seen.header("ce-id").unwrap().to_owned();
        if seen_before.lock().unwrap().insert(id) {
            return (503, JSON, "{}".to_owned());
        }
        (200, OUTCOME, json!({ "result": 1, "emit": emits }).to_string())
    })
    .await
}

fn emits(topic: &str) -> Value {
    json!({ "topic": topic, "type": format!("{topic}.due.v1"), "data": {} })
}

/// A mailer that gives late orders up until it is mended.
async fn mailer() -> (Bff, Arc<AtomicBool>) {
    let is_mended = Arc::<AtomicBool>::default();
    let mended = Arc::clone(&is_mended);
    let is_late = |seen: &Seen| seen.header("ce-partitionkey").unwrap().starts_with("late");
    let bff = function(move |seen| {
        if is_late(seen) && !mended.load(Ordering::SeqCst) {
            return (500, JSON, "\"out of stamps\"".to_owned());
        }
        (200, OUTCOME, json!({ "result": 1, "emit": [emits("sent")] }).to_string())
    })
    .await;
    (bff, is_mended)
}

const RETRY: &str = "retry = { max = 2, backoff = \"5ms..10ms\" }";

/// All events of a topic.
async fn events(edge: &Edge, topic: &str) -> Vec<Value> {
    let page = edge.ask(&format!("/v1/events?topic={topic}&limit=256")).await.json();
    let Some(events) = page["events"].as_array() else { return Vec::new() };
    events.iter().map(|entry| entry["event"].clone()).collect()
}

/// Waits until a topic has so many different events.
async fn reaches(edge: &Edge, topic: &str, count: usize) {
    let reached = async {
        loop {
            let events = events(edge, topic).await;
            let ids: BTreeSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
            if ids.len() == count {
                return;
            }
        }
    };
    within(topic, reached).await;
}

/// The nodes of a tree, with the id of the one above each.
fn walk(node: &Value, above: Option<&str>, nodes: &mut BTreeMap<String, Option<String>>) {
    let id = node["id"].as_str().unwrap();
    let known = nodes.insert(id.to_owned(), above.map(str::to_owned));
    assert_eq!(known, None, "{id} stands in its tree twice");
    for handled in node["handlers"].as_array().unwrap() {
        assert_eq!(handled["state"], "done", "{node}");
    }
    for below in node["followed"].as_array().unwrap() {
        walk(below, Some(id), nodes);
    }
}

/// What caused each event, by its id, with the series that it is of: as the log has it, where each
/// cause is known and each series has one root.
async fn caused(edge: &Edge, traces: &[String]) -> BTreeMap<String, (String, Option<String>)> {
    let mut caused = BTreeMap::new();
    for topic in TOPICS {
        for event in events(edge, topic).await {
            let text = |name: &str| event[name].as_str().map(str::to_owned);
            let trace = text("correlationid").unwrap();
            assert!(traces.contains(&trace), "{event}");
            caused.insert(text("id").unwrap(), (trace, text("causationid")));
        }
    }
    assert_eq!(caused.len(), SERIES * EVENTS);
    for (id, (trace, cause)) in &caused {
        let Some(cause) = cause else { continue };
        let (of, _) = caused.get(cause).unwrap_or_else(|| panic!("{id} is an orphan"));
        assert_eq!(of, trace, "{id} is of another series than what caused it");
    }
    let roots = caused.values().filter(|(_, cause)| cause.is_none());
    let roots: BTreeSet<_> = roots.map(|(trace, _)| trace.clone()).collect();
    assert_eq!(roots, traces.iter().cloned().collect(), "each series has one root");
    caused
}

/// Scenario S25: all events of a series share one trace, and what caused what is a tree with one
/// root and no orphan, also through attempts, dead letters and redrives.
#[tokio::test]
async fn each_series_is_one_tree_of_one_trace() {
    let charge = emitting(vec![emits("stock"), emits("mail")]).await;
    let stock = emitting(vec![]).await;
    let (mail, is_mended) = mailer().await;
    let on = |table: String, topic: &str| {
        table.replace("orders/order.placed.v1", &format!("{topic}/{topic}.due.v1"))
    };
    let tables = [
        order_route("", ""),
        handler("charge", &charge, RETRY),
        on(handler("stock", &stock, RETRY), "stock"),
        on(handler("mailer", &mail, RETRY), "mail"),
    ];
    let edge = site(&tables).start().await;
    let mut client = edge.h1().await;
    let mut traces = Vec::new();
    for number in 0..SERIES {
        let late = if number.is_multiple_of(LATE_OF) { "late" } else { "o" };
        let reply = client.send(place(&format!("{late}-{number}"))).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        traces.push(reply.trace_id().to_owned());
    }
    reaches(&edge, "sent", SERIES - SERIES / LATE_OF).await;
    within("dead letters", async {
        while edge.ask("/v1/dead-letters/tv.mailer").await.json()["letters"]
            .as_array()
            .is_none_or(|letters| letters.len() < SERIES / LATE_OF)
        {}
    })
    .await;
    is_mended.store(true, Ordering::SeqCst);
    let admin = format!("http://{}", edge.admin());
    let redrive = ["dlq", "redrive", "tv.mailer", "--actor", "eve", "--because", "mended"];
    let done = edge::run(&[&redrive[..], &["--admin", &admin]].concat(), edge.folder()).await;
    assert_eq!(done.code(), 0, "{done:?}");
    reaches(&edge, "sent", SERIES).await;

    let caused = caused(&edge, &traces).await;
    // And as operators are shown it.
    for trace in &traces {
        let shown = async {
            loop {
                let tree = edge.ask(&format!("/v1/traces/{trace}")).await.json();
                // The last handler may be about to be done.
                if !tree.to_string().contains("pending") {
                    return tree;
                }
            }
        };
        let tree = within("a series that is done", shown).await;
        let [root] = tree["events"].as_array().unwrap().as_slice() else { panic!("{tree}") };
        let mut nodes = BTreeMap::new();
        walk(root, None, &mut nodes);
        nodes.retain(|id, _| caused.contains_key(id));
        let expected = caused.iter().filter(|(_, (of, _))| of == trace);
        assert_eq!(nodes, expected.map(|(id, (_, cause))| (id.clone(), cause.clone())).collect());
    }
    let calls = [&charge, &stock, &mail].into_iter().flat_map(Bff::requests);
    for call in calls {
        let trace = call.header("ce-correlationid").unwrap();
        assert!(traces.iter().any(|known| known == trace), "{trace}");
        assert!(call.header("traceparent").unwrap().contains(trace));
    }
    let last = traces.last().unwrap();
    let text = edge::run(&["trace", last, "--admin", &admin], edge.folder()).await.stdout;
    for told in ["└─ order.placed.v1 in orders", "tv.mailer: done", "sent.due.v1"] {
        assert!(text.contains(told), "{told}: {text}");
    }
}
