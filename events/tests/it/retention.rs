//! What the embedded log keeps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use headgate_events::{EmbeddedLog, Retention, Topic, Topics};
use headgate_idempotency::{Fault, partition_of};

use crate::bench::{Bench, TOPIC, Wanted, eventually};

/// A log that keeps events for an hour, over the store of a bench.
fn log(bench: &Bench) -> EmbeddedLog {
    let retention = Retention { age: Some(Duration::from_hours(1)), bytes: None };
    let topics = Topics::new([Topic { retention, ..Topic::new(TOPIC) }]);
    EmbeddedLog::new(bench.store.clone(), topics, Arc::clone(&bench.parts.clock))
}

/// Three events of yesterday and one of today, in one partition.
async fn filled() -> Bench {
    let bench = Bench::new();
    let mut events: Vec<_> = (0..4).map(|n| bench.event("a", n)).collect();
    for event in &mut events[..3] {
        event.time = "2029-12-31T00:00:00Z".parse().unwrap();
    }
    bench.append(events).await;
    bench
}

async fn first(bench: &Bench) -> u64 {
    let bounds = bench.parts.log.bounds(TOPIC).await.unwrap().expect("the topic is there");
    let partition = partition_of("a", bench.parts.topics.partitions(TOPIC));
    bounds[partition as usize].first
}

#[tokio::test]
async fn what_is_too_old_goes() {
    let bench = filled().await;
    while log(&bench).trim().await.unwrap() {}
    assert_eq!(first(&bench).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_group_has_not_settled_stays_however_old() {
    let bench = filled().await;
    let up = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&up);
    let handler = bench.handler(Wanted::default(), move |_, _| {
        if asked.load(Relaxed) { Ok(()) } else { Err(Fault::dependency("psp", "down")) }
    });
    let _consumer = bench.start(&handler).await;
    eventually("the group is known", async || {
        let offsets = bench.parts.log.offsets("charge", TOPIC).await.unwrap();
        offsets.iter().all(Option::is_some).then_some(())
    })
    .await;
    while log(&bench).trim().await.unwrap() {}
    assert_eq!(first(&bench).await, 0, "the other side may be down for a week");

    up.store(true, Relaxed);
    bench.settled("charge").await;
    while log(&bench).trim().await.unwrap() {}
    assert_eq!(first(&bench).await, 3);
}
