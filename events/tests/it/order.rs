//! Order within a key, where the handler asks for it.

use headgate_events::NoticeClass;
use headgate_idempotency::{Fault, Order};

use crate::bench::{Bench, Wanted, eventually};

fn in_order() -> Wanted {
    Wanted { order: Order::PerKey, ..Wanted::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_events_of_a_key_wait_for_one_that_is_tried_again() {
    let bench = Bench::new();
    let handler = bench.handler(in_order(), |event, run| {
        if event.data["n"] == 1 && *event.partition_key == *"a" && run < 4 {
            return Err(Fault::retry("not yet"));
        }
        Ok(())
    });
    let _consumer = bench.start(&handler).await;
    bench.append((1..=20).flat_map(|n| [bench.event("a", n), bench.event("b", n)])).await;

    bench.settled("charge").await;
    let all: Vec<_> = (1..=20).collect();
    assert_eq!(bench.seen("charge", "b"), all, "other keys go on");
    eventually("the key goes on", async || (bench.seen("charge", "a").len() == 20).then_some(()))
        .await;
    assert_eq!(bench.seen("charge", "a"), all, "in their order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_goes_on_after_an_event_is_given_up() {
    let bench = Bench::new();
    let handler = bench.handler(in_order(), |event, _| {
        if event.data["n"] == 2 { Err(Fault::retry("never")) } else { Ok(()) }
    });
    let consumer = bench.start(&handler).await;
    bench.append((1..=5).map(|n| bench.event("a", n))).await;

    eventually("the key goes on", async || (bench.seen("charge", "a").len() == 4).then_some(()))
        .await;
    assert_eq!(bench.seen("charge", "a"), [1, 3, 4, 5]);
    assert_eq!(bench.notices(NoticeClass::Parked).len(), 1);
    eventually("the key is free", async || {
        consumer.handle().status().await?.blocked_keys.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backlog_outlasts_a_restart() {
    let bench = Bench::new();
    let handler = bench.handler(in_order(), |event, _| {
        if event.data["n"] == 1 { Err(Fault::retry("not in this life")) } else { Ok(()) }
    });
    let consumer = bench.start(&handler).await;
    bench.append((1..=5).map(|n| bench.event("a", n))).await;
    bench.settled("charge").await;
    let status = consumer.handle().status().await.expect("it runs");
    assert_eq!(status.blocked_keys, ["a"], "operators see the key");
    consumer.stop().await;
    drop(handler);

    let bench = bench.reopen();
    let handler = bench.handler(in_order(), |_, _| Ok(()));
    let _consumer = bench.start(&handler).await;
    bench.append([bench.event("a", 6)]).await;
    eventually("all are handled", async || (bench.seen("charge", "a").len() == 6).then_some(()))
        .await;
    assert_eq!(bench.seen("charge", "a"), [1, 2, 3, 4, 5, 6]);
}

/// Many keys, failures everywhere, and the consumer stopped and started all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_keys_events_are_applied_in_order_and_without_gaps() {
    const KEYS: u64 = 40;
    const EACH: u64 = 25;
    let mut bench = Bench::new();
    let flaky = |_: &headgate_idempotency::Event<serde_json::Value>, run: u32| {
        // About one run in ten fails, and none for good.
        if run < 3 && fastrand::u8(..) < 26 { Err(Fault::retry("flaky")) } else { Ok(()) }
    };
    for round in 0..5 {
        let handler = bench.handler(in_order(), flaky);
        let consumer = bench.start(&handler).await;
        let each = EACH / 5;
        let numbers = (round * each + 1)..=((round + 1) * each);
        let events = numbers.flat_map(|n| (0..KEYS).map(move |key| (format!("k{key}"), n)));
        let events: Vec<_> = events.map(|(key, n)| bench.event(&key, n)).collect();
        bench.append(events).await;
        if round == 4 {
            for key in 0..KEYS {
                let key = format!("k{key}");
                let seen = async || {
                    let seen = bench.seen("charge", &key);
                    (seen.len() as u64 == EACH).then_some(seen)
                };
                let seen = eventually("all are handled", seen).await;
                assert_eq!(seen, (1..=EACH).collect::<Vec<_>>(), "{key}");
            }
        }
        consumer.stop().await;
        drop(handler);
        bench = bench.reopen();
    }
}
