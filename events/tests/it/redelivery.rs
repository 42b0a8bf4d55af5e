//! Events that fail, and what comes of them.

use std::time::Duration;

use headgate_events::NoticeClass;
use headgate_idempotency::{Backoff, DEAD_LETTERS, Fault};
use tokio::time::Instant;

use crate::bench::{Bench, Wanted, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_that_fails_is_tried_again_while_its_offset_moves_on() {
    let bench = Bench::new();
    let handler = bench.handler(Wanted::default(), |event, run| {
        if *event.partition_key == *"bad" && run < 4 {
            return Err(Fault::retry("not yet"));
        }
        Ok(())
    });
    let _consumer = bench.start(&handler).await;
    bench.append([bench.event("bad", 1), bench.event("good", 2)]).await;

    bench.settled("charge").await;
    eventually("it succeeds at last", async || (bench.seen("charge", "bad") == [1]).then_some(()))
        .await;
    assert_eq!(handler.runs_of("e-1"), 4);
    assert_eq!(bench.notices(NoticeClass::Deferred).len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_that_fails_too_often_is_parked_once() {
    let bench = Bench::new();
    let handler = bench.handler(Wanted::default(), |_, _| Err(Fault::retry("never")));
    let _consumer = bench.start(&handler).await;
    bench.append([bench.event("a", 1)]).await;

    eventually("it is parked", async || {
        (!bench.notices(NoticeClass::Parked).is_empty()).then_some(())
    })
    .await;
    assert_eq!(handler.runs_of("e-1"), 4, "as often as it may");
    assert_eq!(bench.entries(&format!("{DEAD_LETTERS}charge")).await.len(), 1);
    assert_eq!(bench.seen("charge", "a"), [0; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_says_how_long_to_wait() {
    let bench = Bench::new();
    let wait = Duration::from_millis(300);
    let handler = bench.handler(Wanted::default(), move |_, run| match run {
        1 => Err(Fault::retry_after(wait, "the other side is busy")),
        _ => Ok(()),
    });
    let _consumer = bench.start(&handler).await;
    let begun = Instant::now();
    bench.append([bench.event("a", 1)]).await;
    eventually("it succeeds", async || (bench.seen("charge", "a") == [1]).then_some(())).await;
    assert!(begun.elapsed() >= wait, "it came back after {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_off_comes_back_after_a_restart() {
    let bench = Bench::new();
    let slow = Backoff {
        first: Duration::from_millis(400),
        factor: 1.0,
        longest: Duration::from_millis(400),
        attempts_max: 9,
    };
    let wanted = || Wanted { retry: slow, ..Wanted::default() };
    let handler = bench.handler(wanted(), |_, _| Err(Fault::retry("not in this life")));
    let consumer = bench.start(&handler).await;
    bench.append([bench.event("a", 1)]).await;
    eventually("it fails", async || {
        (!bench.notices(NoticeClass::Deferred).is_empty()).then_some(())
    })
    .await;
    consumer.stop().await;
    drop(handler);

    let bench = bench.reopen();
    let handler = bench.handler(wanted(), |_, _| Ok(()));
    let _consumer = bench.start(&handler).await;
    eventually("it succeeds", async || (bench.seen("charge", "a") == [1]).then_some(())).await;
}

/// One poison key among many holds nobody up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_key_does_not_hold_up_the_others() {
    let bench = Bench::new();
    let handler = bench.handler(Wanted::default(), |event, _| match &*event.partition_key {
        "k7" => Err(Fault::retry("poison")),
        _ => Ok(()),
    });
    let _consumer = bench.start(&handler).await;
    bench.append((0..1_000).map(|n| bench.event(&format!("k{}", n % 100), n))).await;

    bench.settled("charge").await;
    for key in (0..100).filter(|key| *key != 7) {
        assert_eq!(bench.seen("charge", &format!("k{key}")).len(), 10);
    }
    eventually("the poison is parked", async || {
        (bench.notices(NoticeClass::Parked).len() == 10).then_some(())
    })
    .await;
    assert_eq!(bench.entries(&format!("{DEAD_LETTERS}charge")).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_that_comes_too_late_is_not_handled() {
    let bench = Bench::new();
    let handler = bench.handler(Wanted::default(), |_, _| Ok(()));
    let _consumer = bench.start(&handler).await;
    let mut event = bench.event("a", 1);
    event.expires_at = Some(event.time);
    bench.append([event]).await;

    bench.settled("charge").await;
    assert_eq!(handler.runs_of("e-1"), 0);
    assert_eq!(bench.notices(NoticeClass::Expired).len(), 1, "nor is it lost silently");
}
