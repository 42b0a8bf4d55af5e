//! Something that handlers need is down.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use headgate_events::NoticeClass;
use headgate_idempotency::{DEAD_LETTERS, Fault};
use tokio::time::Instant;

use crate::bench::{Bench, Wanted, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outage_burns_no_attempt_and_parks_nothing() {
    let bench = Bench::new();
    let (is_up, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (up, called) = (Arc::clone(&is_up), Arc::clone(&calls));
    let handler = bench.handler(Wanted::default(), move |_, _| {
        called.fetch_add(1, Ordering::Relaxed);
        if up.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err(Fault::dependency("psp", "connection refused"))
        }
    });
    let consumer = bench.start(&handler).await;
    bench.append((0..300).map(|n| bench.event(&format!("k{n}"), n))).await;
    // Long enough for every event to fail as often as it may, if that counted.
    eventually("several probes fail", async || {
        let status = consumer.handle().status().await?;
        assert!(!bench.is_settled("charge").await, "no offset moves over what is not done");
        let is_down = status.down.as_deref() == Some("psp");
        (is_down && calls.load(Ordering::Relaxed) > 64 + 3).then_some(())
    })
    .await;
    let during = calls.load(Ordering::Relaxed);
    assert!(during < 300, "the breaker holds calls back: {during}");

    is_up.store(true, Ordering::Relaxed);
    let back = Instant::now();
    eventually("the first success", async || {
        (0..300).any(|key| !bench.seen("charge", &format!("k{key}")).is_empty()).then_some(())
    })
    .await;
    assert!(
        back.elapsed() < Duration::from_secs(4),
        "the first success after {:?}",
        back.elapsed()
    );
    bench.settled("charge").await;
    for key in 0..300 {
        assert_eq!(bench.seen("charge", &format!("k{key}")), [key]);
    }
    assert!(bench.entries(&format!("{DEAD_LETTERS}charge")).await.is_empty());
    assert!(bench.notices(NoticeClass::Deferred).is_empty(), "no attempt was counted");
    assert!(!bench.notices(NoticeClass::Dependency).is_empty(), "somebody was told");
}
