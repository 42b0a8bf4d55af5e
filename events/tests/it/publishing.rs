//! Publishing, and asking for results.

use std::{sync::Arc, time::Duration};

use headgate_events::{HandlerResult, Looked, Publish, PublishError, Publisher};
use headgate_idempotency::{Claim, Fault, Fingerprint, RecordKey, Scope};
use headgate_types::InvalidEvent;

use crate::bench::{Bench, TOPIC, Wanted, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owner_gets_results_once_every_handler_has_settled() {
    let bench = Bench::new();
    let results = bench.parts.results.clone().expect("there are results");
    let charge = bench.handler(Wanted::default(), |_, _| Ok(()));
    let ship = bench.handler(Wanted { scope: "ship", ..Wanted::default() }, |_, _| {
        Err(Fault::terminal("no such street"))
    });
    results.set_handlers(vec![charge.registered(), ship.registered()]);
    let event = bench.publish(bench.event("a", 7)).await.event;
    let trace = event.trace_id;
    let pending = Looked::Pending { settled: 0, handlers: 2 };
    assert_eq!(results.look(trace, "me").await.unwrap(), pending);
    assert_eq!(results.look(trace, "you").await.unwrap(), Looked::Unknown);

    let waiting = {
        let results = results.clone();
        tokio::spawn(async move { results.wait(trace, "me", Duration::from_secs(20)).await })
    };
    let _consumers = (bench.start(&charge).await, bench.start(&ship).await);
    let Looked::Settled(found) = waiting.await.unwrap().unwrap() else {
        panic!("both have settled");
    };
    assert_eq!(found["charge"], HandlerResult::Done(r#"{"handled":7}"#.into()));
    assert_eq!(found["ship"].json(), r#"{"error":"no such street"}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_that_is_given_up_is_settled_too() {
    let bench = Bench::new();
    let results = bench.parts.results.clone().expect("there are results");
    let handler = bench.handler(Wanted::default(), |_, _| Err(Fault::retry("secret: 42")));
    results.set_handlers(vec![handler.registered()]);
    let _consumer = bench.start(&handler).await;
    let trace = bench.publish(bench.event("a", 7)).await.event.trace_id;

    let looked = results.wait(trace, "me", Duration::from_secs(20)).await.unwrap();
    let Looked::Settled(found) = looked else { panic!("it has settled: {looked:?}") };
    assert_eq!(found["charge"].json(), r#"{"error":"given up"}"#, "no error's text leaves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_that_is_over_tells_what_is_pending() {
    let bench = Bench::new();
    let results = bench.parts.results.clone().expect("there are results");
    let handler = bench.handler(Wanted::default(), |_, _| Ok(()));
    results.set_handlers(vec![handler.registered()]);
    let trace = bench.publish(bench.event("a", 7)).await.event.trace_id;
    let looked = results.wait(trace, "me", Duration::from_millis(20)).await.unwrap();
    assert_eq!(looked, Looked::Pending { settled: 0, handlers: 1 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_that_is_published_again_is_there_once() {
    let bench = Bench::new();
    let event = bench.event("a", 7);
    assert!(!bench.publish(event.clone()).await.is_repeated);
    assert!(bench.publish(event).await.is_repeated);
    assert_eq!(bench.entries(TOPIC).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_of_a_client_publishes_one_event() {
    let bench = Bench::new();
    let publisher = Publisher::new(bench.parts.clone());
    let claim = |payload: &[u8]| {
        let key = RecordKey::new(&Scope::new("publish").unwrap(), "key-1").unwrap();
        Claim::new(key, Fingerprint::of_bytes(payload), bench.parts.records.settings())
    };
    let publish = |number, payload: &'static [u8]| Publish {
        topic: TOPIC.into(),
        event: bench.event("a", number),
        owner: Some("me".into()),
        claim: Some(claim(payload)),
    };
    let first = publisher.publish(publish(1, b"one")).await.unwrap();
    let again = publisher.publish(publish(2, b"one")).await.unwrap();
    assert!(again.is_repeated);
    assert_eq!(again.event, first.event, "the first one stands");
    let other = publisher.publish(publish(3, b"two")).await.unwrap_err();
    assert!(matches!(other, PublishError::Conflict), "{other:?}");
    assert_eq!(bench.entries(TOPIC).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_root_of_a_trace_is_published_too() {
    let bench = Bench::new();
    let first = bench.event("a", 1);
    let mut second = bench.event("a", 2);
    second.trace_id = first.trace_id;
    bench.publish(first).await;
    assert!(!bench.publish(second).await.is_repeated);
    eventually("both are there", async || (bench.entries(TOPIC).await.len() == 2).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_without_a_partition_key_is_refused() {
    let bench = Bench::new();
    let mut event = bench.event("a", 1);
    event.partition_key = Arc::from("");
    let publish = Publish { topic: TOPIC.into(), event, owner: None, claim: None };
    let refused = Publisher::new(bench.parts.clone()).publish(publish).await.unwrap_err();
    assert!(matches!(refused, PublishError::Invalid(InvalidEvent::Missing { .. })), "{refused:?}");
    assert_eq!(refused.code(), Some("HG0060"));
}
