//! Partitions that are taken from one consumer and given to another.

use std::{sync::Arc, time::Duration};

use headgate_events::{Log, testing::Broker};
use headgate_idempotency::{Fault, Order};
use tokio::time::interval;

use crate::bench::{Bench, Wanted, eventually};

const KEYS: u64 = 60;
const EACH: u64 = 10;

/// Three consumers of one group, and partitions dealt anew all the time. Half of the events come
/// twice, the second time behind the next one of their key.
async fn storm(order: Order, is_rude: bool) {
    let broker = Broker::new();
    let bench = Bench::with_log(Arc::new(broker.clone()) as Arc<dyn Log>);
    let wanted = || Wanted { order, ..Wanted::default() };
    let flaky = |_: &headgate_idempotency::Event<serde_json::Value>, run: u32| {
        if run < 3 && fastrand::u8(..) < 13 { Err(Fault::retry("flaky")) } else { Ok(()) }
    };
    let mut consumers = Vec::new();
    for _ in 0..3 {
        consumers.push(bench.start(&bench.handler(wanted(), flaky)).await);
    }
    let dealing = tokio::spawn(async move {
        let mut turns = interval(Duration::from_millis(20));
        for turn in 0_u32.. {
            turns.tick().await;
            broker.rebalance(is_rude && turn.is_multiple_of(2));
        }
    });
    let mut again = Vec::new();
    for n in 1..=EACH {
        let events: Vec<_> = (0..KEYS).map(|key| bench.event(&format!("k{key}"), n)).collect();
        let late = std::mem::replace(&mut again, events.iter().step_by(2).cloned().collect());
        bench.append(events.into_iter().chain(late)).await;
    }
    let all: Vec<_> = (1..=EACH).collect();
    for key in 0..KEYS {
        let key = format!("k{key}");
        let seen = eventually("all are handled", async || {
            let seen = bench.seen("charge", &key);
            (seen.len() >= all.len()).then_some(seen)
        })
        .await;
        match order {
            Order::PerKey => assert_eq!(seen, all, "{key}: each once, in order"),
            Order::Unordered => {
                let mut sorted = seen.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, all, "{key}: each once, in {seen:?}");
            }
        }
    }
    bench.settled("charge").await;
    dealing.abort();
    for consumer in consumers {
        consumer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polite_rebalances_lose_nothing_and_repeat_nothing() {
    storm(Order::Unordered, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rude_rebalances_lose_nothing_and_repeat_nothing() {
    storm(Order::Unordered, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_within_a_key_outlasts_polite_rebalances() {
    storm(Order::PerKey, false).await;
}
