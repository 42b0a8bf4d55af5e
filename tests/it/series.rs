//! A series is cancelled, paused and resumed by its trace.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use headgate_tests::{Bff, Edge, Ended, Seen, edge, eventually};
use serde_json::{Value, json};

use crate::events::{JSON, OUTCOME, function, handler, order_route, place, results, site};

async fn verb(edge: &Edge, arguments: &[&str]) -> Ended {
    let admin = format!("http://{}", edge.admin());
    let arguments: Vec<_> = arguments.iter().copied().chain(["--admin", &admin]).collect();
    edge::run(&arguments, edge.folder()).await
}

async fn said(edge: &Edge, word: &str, trace: &str) -> Value {
    let arguments = ["trace", word, trace, "--actor", "ada", "--because", "INC-1", "--json"];
    let ended = verb(edge, &arguments).await;
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// A function that fails for the first order until it is let go, else charges and has mail sent.
async fn charging() -> (Bff, Arc<AtomicBool>) {
    let is_open = Arc::<AtomicBool>::default();
    let open = Arc::clone(&is_open);
    let bff = function(move |seen| {
        if is_first(seen) && !open.load(Ordering::SeqCst) {
            return (503, JSON, "{}".to_owned());
        }
        let mail = json!({ "topic": "mail", "type": "mail.due.v1", "data": {} });
        (200, OUTCOME, json!({ "result": 1, "emit": [mail] }).to_string())
    })
    .await;
    (bff, is_open)
}

fn is_first(seen: &Seen) -> bool {
    seen.header("ce-partitionkey") == Some("o-1")
}

const RETRY: &str = "retry = { max = 1000, backoff = \"20ms..30ms\" }";

#[tokio::test]
async fn cancelled_series_begins_nothing_more_and_says_who_cancelled_it() {
    let (bff, is_open) = charging().await;
    let edge = site(&[order_route("", ""), handler("charge", &bff, RETRY)]).start().await;
    let reply = edge.send(place("o-1")).await;
    let (trace, location) = (reply.trace_id().to_owned(), reply.header("location").to_owned());
    eventually("the function is called", || (!bff.requests().is_empty()).then_some(())).await;

    let stand = said(&edge, "cancel", &trace).await;

    assert_eq!(
        (&stand["state"], &stand["actor"], &stand["why"]),
        (&"cancelled".into(), &"ada".into(), &"INC-1".into())
    );
    let result = results(&edge, &location).await;
    assert_eq!(result["charge"]["error"], "cancelled");
    assert!(!result.to_string().contains("ada"), "clients are not told who: {result}");
    is_open.store(true, Ordering::SeqCst);
    let calls = bff.requests().len();
    let resumed = said(&edge, "resume", &trace).await;
    assert_eq!(resumed["state"], "cancelled", "for good");
    let shown = verb(&edge, &["trace", &trace]).await.stdout;
    assert!(shown.contains("cancelled by ada"), "{shown}");
    assert!(shown.contains("tv.charge: cancelled"), "{shown}");
    // Other series go on, and the one that was cancelled is not called meanwhile.
    let other = edge.send(place("o-2")).await;
    assert_eq!(results(&edge, other.header("location")).await, json!({ "charge": 1 }));
    assert_eq!(bff.requests().len(), calls + 1);
}

#[tokio::test]
async fn paused_series_goes_on_when_it_is_resumed_and_no_attempt_is_lost() {
    let (bff, is_open) = charging().await;
    let mail = function(|_| (200, JSON, "\"sent\"".to_owned())).await;
    let mailer = format!(
        "[handler.mailer]\non = \"mail/mail.due.v1\"\ncall = \"http://{}/mail\"\n",
        mail.endpoint()
    );
    let edge = site(&[order_route("", ""), handler("charge", &bff, RETRY), mailer]).start().await;
    let reply = edge.send(place("o-1")).await;
    let (trace, location) = (reply.trace_id().to_owned(), reply.header("location").to_owned());
    eventually("the function is called", || (!bff.requests().is_empty()).then_some(())).await;

    assert_eq!(said(&edge, "pause", &trace).await["state"], "paused");
    let tree = edge.ask(&format!("/v1/traces/{trace}")).await.json();
    assert_eq!(
        (&tree["control"]["state"], &tree["control"]["actor"]),
        (&"paused".into(), &"ada".into())
    );
    assert_eq!(tree["events"][0]["handlers"][0]["state"], "pending");
    // What was said outlasts the process, and with it the call that ran meanwhile.
    let edge = edge.kill_and_start().await;
    eventually_paused(&edge, &trace).await;
    let calls = || bff.requests().into_iter().filter(is_first).count();
    let before = calls();
    // Another order that is handled tells that there was time for the first.
    let other = edge.send(place("o-2")).await;
    assert_eq!(results(&edge, other.header("location")).await, json!({ "charge": 1 }));
    eventually("the other's mail", || (mails(&mail) == 1).then_some(())).await;
    assert_eq!(calls(), before, "a paused series is not called");
    is_open.store(true, Ordering::SeqCst);

    assert_eq!(said(&edge, "resume", &trace).await["state"], "running");

    assert_eq!(results(&edge, &location).await, json!({ "charge": 1 }));
    eventually("its mail", || (mails(&mail) == 2).then_some(())).await;
    let tree = edge.ask(&format!("/v1/traces/{trace}")).await.json();
    assert_eq!(tree["control"]["state"], "running");
    let root = &tree["events"][0];
    assert_eq!((&root["is_critical"], &root["lasts_ms"]), (&true.into(), &tree["duration_ms"]));
    assert!(tree["duration_ms"].as_u64().unwrap() > 0, "{tree}");
}

/// Effects that the mailer was asked for: a call may come once more with the same key.
fn mails(mail: &Bff) -> usize {
    let calls = mail.requests();
    calls.iter().filter_map(|seen| seen.header("idempotency-key")).collect::<HashSet<_>>().len()
}

/// Waits until an edge that has started knows again that a series is paused, and who waits for it.
async fn eventually_paused(edge: &Edge, trace: &str) {
    let ends = tokio::time::Instant::now() + headgate_tests::PATIENCE;
    loop {
        let tree = edge.ask(&format!("/v1/traces/{trace}")).await.json();
        let waits = tree["events"][0]["handlers"][0]["state"] == "pending";
        if tree["control"]["state"] == "paused" && waits {
            return;
        }
        assert!(tokio::time::Instant::now() < ends, "never paused again: {tree}");
    }
}

#[tokio::test]
async fn series_that_is_not_there_is_not_controlled() {
    let (bff, _) = charging().await;
    let edge = site(&[order_route("", ""), handler("charge", &bff, "")]).start().await;
    let ended = verb(&edge, &["trace", "cancel", "0123456789abcdef0123456789abcdef"]).await;
    assert_ne!(ended.code(), 0, "{ended:?}");
    assert!(ended.stderr.contains("HG1"), "{}", ended.stderr);
}
