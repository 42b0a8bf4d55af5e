//! Events that are handled as they should be.

use headgate_events::NoticeClass;
use headgate_idempotency::{DEAD_LETTERS, Fault};

use crate::bench::{Bench, TOPIC, Wanted, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_is_handled_once_and_its_offset_committed() {
    let bench = Bench::new();
    let handler = bench.handler(Wanted::default(), |_, _| Ok(()));
    let consumer = bench.start(&handler).await;
    let events: Vec<_> = (0..500).map(|n| bench.event(&format!("k{}", n % 50), n)).collect();
    bench.append(events).await;

    bench.settled("charge").await;
    for key in 0..50 {
        let expected: Vec<_> = (0..10).map(|round| round * 50 + key).collect();
        assert_eq!(bench.seen("charge", &format!("k{key}")), expected, "in the key's order");
    }
    let status = consumer.handle().status().await.expect("it runs");
    assert_eq!(status.partitions.iter().map(|it| it.lag).sum::<u64>(), 0);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_take_no_second_effect() {
    let bench = Bench::new();
    let handler = bench.handler(Wanted::default(), |_, _| Ok(()));
    let _consumer = bench.start(&handler).await;
    let events: Vec<_> = (0..100).map(|n| bench.event(&format!("k{n}"), n)).collect();
    bench.append(events.iter().chain(&events).cloned()).await;

    bench.settled("charge").await;
    for key in 0..100 {
        assert_eq!(bench.seen("charge", &format!("k{key}")), [key]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_gets_only_events_of_its_type() {
    let bench = Bench::new();
    let other = Wanted { kind: "order.other.v1", ..Wanted::default() };
    let handler = bench.handler(other, |_, _| Ok(()));
    let _consumer = bench.start(&handler).await;
    bench.append([bench.event("a", 1)]).await;

    bench.settled("charge").await;
    assert!(handler.runs.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_of_one_topic_do_not_know_of_each_other() {
    let bench = Bench::new();
    let one = bench.handler(Wanted { scope: "one", ..Wanted::default() }, |_, _| Ok(()));
    let two = bench
        .handler(Wanted { scope: "two", ..Wanted::default() }, |_, _| Err(Fault::terminal("no")));
    let _consumers = (bench.start(&one).await, bench.start(&two).await);
    bench.append([bench.event("a", 1)]).await;

    bench.settled("one").await;
    bench.settled("two").await;
    assert_eq!((bench.seen("one", "a"), bench.seen("two", "a")), (vec![1], vec![]));
    eventually("somebody is told", async || {
        (bench.notices(NoticeClass::Rejected).len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumer_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let handler = bench.handler(Wanted::default(), |_, _| Ok(()));
    let consumer = bench.start(&handler).await;
    bench.append((0..50).map(|n| bench.event("a", n))).await;
    bench.settled("charge").await;
    consumer.stop().await;
    drop(handler);

    let bench = bench.reopen();
    let handler = bench.handler(Wanted::default(), |_, _| Ok(()));
    let _consumer = bench.start(&handler).await;
    bench.append((50..60).map(|n| bench.event("a", n))).await;
    bench.settled("charge").await;
    assert_eq!(bench.seen("charge", "a"), (0..60).collect::<Vec<_>>());
    assert_eq!(handler.runs.lock().len(), 10, "what is settled is not delivered again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_consumer_begins_nothing() {
    let bench = Bench::new();
    let handler = bench.handler(Wanted::default(), |_, _| Ok(()));
    let consumer = bench.start(&handler).await;
    let handle = consumer.handle();
    handle.pause().await;
    bench.append([bench.event("a", 1)]).await;
    eventually("the event is read", async || {
        let status = handle.status().await?;
        status.partitions.iter().any(|it| it.open == 1).then_some(())
    })
    .await;
    assert_eq!(handler.runs_of("e-1"), 0);
    assert!(handle.status().await.is_some_and(|status| status.is_paused));

    handle.resume().await;
    bench.settled("charge").await;
    assert_eq!(bench.seen("charge", "a"), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entry_that_is_no_event_is_parked_once_with_its_bytes() {
    let bench = Bench::new();
    let handler = bench.handler(Wanted::default(), |_, _| Ok(()));
    let consumer = bench.start(&handler).await;
    let batch = headgate_store::Batch::new().append(
        TOPIC,
        3,
        bench.parts.clock.unix_time(),
        b"\x00not an event".as_slice(),
    );
    bench.store.commit(batch).await.unwrap();
    bench.append([bench.event("a", 1)]).await;
    bench.settled("charge").await;
    consumer.stop().await;
    // The group is set back, and the entry comes again.
    bench.parts.log.reset("charge", TOPIC, 3, 0).await.unwrap();
    let _consumer = bench.start(&handler).await;
    bench.settled("charge").await;

    let letters = bench.entries(&format!("{DEAD_LETTERS}charge")).await;
    assert_eq!(letters.len(), 1, "it is parked once");
    let dead = headgate_events::DeadLetters::new(bench.parts.clone(), vec![handler.registered()]);
    let page = dead.list("charge", &headgate_events::Filter::default(), None, 10).await.unwrap();
    let raw = page.letters[0].raw.as_ref().expect("it has its bytes");
    assert_eq!(raw.bytes().as_deref(), Some(b"\x00not an event".as_slice()));
    assert_eq!((raw.partition, raw.offset), (3, 0));
    assert_eq!(bench.seen("charge", "a"), [1], "others go on");
}

/// The whole series has one trace, and a tree of causes with one root.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_is_one_tree_under_one_trace() {
    let bench = Bench::new();
    let first = Wanted { scope: "first", emits: Some("order.charged.v1"), ..Wanted::default() };
    let first = bench.handler(first, |_, run| {
        if run == 1 { Err(Fault::retry("the first run fails")) } else { Ok(()) }
    });
    let second = Wanted {
        scope: "second",
        kind: "order.charged.v1",
        emits: Some("order.shipped.v1"),
        ..Wanted::default()
    };
    let second = bench.handler(second, |_, _| Ok(()));
    let _consumers = (bench.start(&first).await, bench.start(&second).await);
    for n in 0..10 {
        bench.publish(bench.event(&format!("k{n}"), n)).await;
    }
    let events = eventually("all children are there", async || {
        let entries = bench.entries(TOPIC).await;
        (entries.len() >= 30).then_some(entries)
    })
    .await;
    bench.settled("second").await;
    assert_eq!(bench.entries(TOPIC).await.len(), 30, "two children for each root, and no more");
    let events: Vec<_> = events.iter().map(|entry| entry.event().unwrap()).collect();
    for event in &events {
        let Some(cause) = &event.causation_id else { continue };
        let parent = events.iter().find(|it| it.id == *cause).expect("no child is an orphan");
        assert_eq!(parent.trace_id, event.trace_id);
        assert_eq!(parent.step.depth() + 1, event.step.depth());
    }
    assert_eq!(events.iter().filter(|event| event.causation_id.is_none()).count(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_tell_what_happens() {
    let mut bench = Bench::new();
    let metrics = headgate_telemetry::Metrics::new();
    bench.parts.metrics = Some(metrics.clone());
    let handler = bench.handler(Wanted::default(), |event, _| {
        if event.data["n"] == 1 { Err(Fault::retry("never")) } else { Ok(()) }
    });
    let _consumer = bench.start(&handler).await;
    for n in 0..3 {
        bench.publish(bench.event(&format!("k{n}"), n)).await;
    }
    bench.settled("charge").await;
    let text = eventually("the event is parked", async || {
        let text = metrics.exporter().render();
        text.contains("headgate_events_parked_events_total{handler=\"charge\"} 1").then_some(text)
    })
    .await;
    for sample in [
        "published_events_total{topic=\"orders\"} 3",
        "consumed_events_total{handler=\"charge\"} 3",
        "redelivered_events_total{handler=\"charge\"} 3",
    ] {
        assert!(text.contains(&format!("headgate_events_{sample}")), "{sample} in\n{text}");
    }
    eventually("nothing is left", async || {
        let text = metrics.exporter().render();
        text.contains("headgate_events_lag_events{handler=\"charge\"} 0").then_some(())
    })
    .await;
}
