//! Exchanges as events: what waits, what is dropped, and what an outage costs.

use std::{sync::Arc, time::Duration};

use headgate_events::{EXCHANGE_KIND, EXCHANGE_TOPIC, Entry, Exchange, Exchanges, Topic};
use headgate_telemetry::Metrics;
use headgate_types::{Class, SpanId, TraceId};
use tokio::sync::oneshot;

use crate::bench::{Bench, eventually};

/// More than may wait.
const FLOOD: u64 = 20_000;

fn exchange(number: u64) -> Exchange {
    Exchange {
        trace_id: TraceId::from_bytes(u128::from(number + 1).to_be_bytes()).unwrap(),
        span_id: SpanId::from_bytes((number + 1).to_be_bytes()).unwrap(),
        time: "2030-01-01T00:00:00.500Z".parse().unwrap(),
        priority: Class::Bulk,
        data: format!("{{\"n\":{number}}}").into(),
    }
}

async fn entries(bench: &Bench) -> Vec<Entry> {
    bench.parts.log.read(EXCHANGE_TOPIC, 0, 0, 256).await.unwrap()
}

/// How many were written, and how many dropped.
fn counted(metrics: &Metrics) -> [u64; 2] {
    let told = metrics.exporter().render();
    ["written", "dropped"].map(|result| {
        let series = format!("headgate_events_exchange_events_total{{result=\"{result}\"}} ");
        let line = told.lines().find_map(|line| line.strip_prefix(&series));
        line.expect("it is counted").parse().unwrap()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchange_is_an_event_of_its_own_series() {
    let (bench, metrics) = (Bench::new(), Metrics::new());
    let (exchanges, feed) = Exchanges::new(metrics.exchanges());
    let running = tokio::spawn(feed.run(
        Arc::clone(&bench.parts.log),
        Topic::new(EXCHANGE_TOPIC),
        std::future::pending(),
    ));
    exchanges.tell(exchange(7));
    let entry = eventually("event", async || entries(&bench).await.pop()).await;
    let event = entry.event().unwrap();
    assert_eq!((&*event.kind, &event.data[..]), (EXCHANGE_KIND, &br#"{"n":7}"#[..]));
    assert_eq!((event.trace_id, event.priority), (exchange(7).trace_id, Class::Bulk));
    assert_eq!(event.causation_id, None);
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_appended_when_the_edge_ends() {
    let (bench, metrics) = (Bench::new(), Metrics::new());
    let (exchanges, feed) = Exchanges::new(metrics.exchanges());
    (0..40).for_each(|number| exchanges.tell(exchange(number)));
    feed.run(Arc::clone(&bench.parts.log), Topic::new(EXCHANGE_TOPIC), std::future::ready(()))
        .await;
    assert_eq!(entries(&bench).await.len(), 40);
    assert_eq!(counted(&metrics), [40, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_log_that_is_slow() {
    let metrics = Metrics::new();
    let (exchanges, feed) = Exchanges::new(metrics.exchanges());
    (0..FLOOD).for_each(|number| exchanges.tell(exchange(number)));
    let [_, dropped] = counted(&metrics);
    assert!(dropped > 0);
    let bench = Bench::new();
    feed.run(Arc::clone(&bench.parts.log), Topic::new(EXCHANGE_TOPIC), std::future::ready(()))
        .await;
    assert_eq!(counted(&metrics).iter().sum::<u64>(), FLOOD, "each is counted, once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outage_costs_what_came_meanwhile_and_is_over_by_itself() {
    let (bench, metrics) = (Bench::new(), Metrics::new());
    // A topic of another form takes nothing, as a log that is down does.
    let other = Topic { partitions: 3, ..Topic::new(EXCHANGE_TOPIC) };
    bench.parts.log.ensure(&[other]).await.unwrap();
    let (exchanges, feed) = Exchanges::new(metrics.exchanges());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move {
        let _told = stopped.await;
    };
    let running =
        tokio::spawn(feed.run(Arc::clone(&bench.parts.log), Topic::new(EXCHANGE_TOPIC), stopped));
    exchanges.tell(exchange(0));
    eventually("drop", async || (counted(&metrics) == [0, 1]).then_some(())).await;

    bench.parts.log.delete(EXCHANGE_TOPIC).await.unwrap();
    exchanges.tell(exchange(1));
    let entry = eventually("event", async || entries(&bench).await.pop()).await;
    assert_eq!(entry.event().unwrap().data[..], br#"{"n":1}"#[..]);
    drop(stop);
    tokio::time::timeout(Duration::from_secs(20), running).await.unwrap().unwrap();
    assert_eq!(counted(&metrics), [1, 1]);
}
