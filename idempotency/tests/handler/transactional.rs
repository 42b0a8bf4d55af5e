//! Mode transactional: one commit with everything, or nothing.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicU32, Ordering},
};

use headgate_idempotency::{
    Delivery, Emit, Event, Fault, PUSH_TOPIC, Scope, Settlement, StoreError, Tx, child_id, handler,
    partition_of,
};
use headgate_store::{Batch, Condition, Content, Key, Operation};
use headgate_telemetry::Metrics;
use serde::Serialize;
use tokio::sync::Barrier;

use crate::bench::{Bench, CountingStore, Order, again, order};

#[derive(Serialize)]
struct Charged {
    order: String,
    total: u64,
}

impl Emit for Charged {
    const TO: &'static str = "billing/order.charged.v1";
}

/// How often a handler was started.
type Starts = AtomicU32;

#[handler(scope = "billing.charge@1", on = "orders/order.placed.v1", key = |e| e.data.id)]
async fn charge(e: Event<Order>, cx: &mut Tx, starts: &Starts) -> Result<u64, Fault> {
    let start = starts.fetch_add(1, Ordering::Relaxed);
    let mut total = cx.state::<u64>("total").await?;
    *total.or_default() += e.data.amount;
    let sum = *total.or_default();
    cx.put(total)?;
    // A handler may be different each time that it is started.
    cx.emit("charged", Charged { order: e.data.id, total: sum + u64::from(start) * 1_000 })?;
    cx.push(format!("charged {sum}"))?;
    Ok(sum)
}

fn done(result: &'static str) -> Settlement {
    Settlement::Done { result: result.into() }
}

fn replayed(result: &'static str) -> Settlement {
    Settlement::Replayed { result: result.into(), rejected: false }
}

#[tokio::test]
async fn runs_and_ends_are_counted() {
    // A store where a duplicate is seen before the handler runs.
    let store = CountingStore { reads_first: true, ..CountingStore::default() };
    let (bench, metrics) = (Bench::over(store), Metrics::new());
    let charge = bench.decorate(charge(Starts::default()));
    let charge = charge.with_metrics(metrics.handler("billing.charge@1"));
    let event = order("o-1", 5);
    for _ in 0..3 {
        charge.deliver(&event).await.unwrap();
    }
    let text = metrics.exporter().render();
    let of_it = "handler=\"billing.charge@1\"";
    for (name, labels, count) in [
        ("runs", String::new(), 1),
        ("deliveries", ",settlement=\"done\"".to_owned(), 1),
        ("deliveries", ",settlement=\"replayed\"".to_owned(), 2),
        ("deliveries", ",settlement=\"fenced\"".to_owned(), 0),
    ] {
        let line =
            format!("headgate_idempotency_handler_{name}_total{{{of_it}{labels}}} {count}\n");
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn everything_is_written_by_one_commit() {
    let bench = Bench::new();
    let charge = bench.decorate(charge(Starts::default()));
    assert_eq!(charge.deliver(&order("o-1", 5)).await.unwrap(), done("5"));
    assert_eq!(bench.asked(), (1, 1), "one read of state, one commit");
    assert_eq!(bench.state("total").unwrap(), "5");
    let [charged] = bench.events("billing").try_into().unwrap();
    assert_eq!(
        (&*charged.kind, &charged.data[..]),
        ("order.charged.v1", &br#"{"order":"o-1","total":5}"#[..])
    );
    let [pushed] = bench.events(PUSH_TOPIC).try_into().unwrap();
    assert_eq!(&pushed.data[..], br#""charged 5""#);
    assert_eq!(*pushed.partition_key, *"07".repeat(16), "the series");
}

#[tokio::test]
async fn a_duplicate_is_answered_the_recorded_bytes_and_changes_nothing() {
    let bench = Bench::new();
    let charge = bench.decorate(charge(Starts::default()));
    let delivery = order("o-1", 5);
    assert_eq!(charge.deliver(&delivery).await.unwrap(), done("5"));
    for attempt in 1..4 {
        assert_eq!(charge.deliver(&again(&delivery, attempt)).await.unwrap(), replayed("5"));
    }
    assert_eq!(bench.state("total").unwrap(), "5");
    assert_eq!((bench.log("billing").len(), bench.log(PUSH_TOPIC).len()), (1, 1));
}

#[tokio::test]
async fn a_store_that_is_read_for_free_spares_the_duplicate_its_run() {
    let bench = Bench::over(CountingStore { reads_first: true, ..CountingStore::default() });
    let starts = std::sync::Arc::new(Starts::default());
    let charge = bench.decorate(charge(starts.clone()));
    let delivery = order("o-1", 5);
    assert_eq!(charge.deliver(&delivery).await.unwrap(), done("5"));
    bench.asked();
    assert_eq!(charge.deliver(&delivery).await.unwrap(), replayed("5"));
    assert_eq!(bench.asked(), (1, 0));
    assert_eq!(starts.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn children_belong_to_the_series_and_have_the_ids_that_follow_from_it() {
    let bench = Bench::new();
    let charge = bench.decorate(charge(Starts::default()));
    let delivery = order("o-1", 5);
    assert_eq!(charge.deliver(&delivery).await.unwrap(), done("5"));
    let [charged] = bench.events("billing").try_into().unwrap();
    let scope = Scope::new("billing.charge@1").unwrap();
    assert_eq!(*charged.id, *child_id(&delivery.event, &scope, "charged"));
    assert_eq!(charged.causation_id.as_deref(), Some("e-1"));
    assert_eq!((charged.step.as_str(), &*charged.source), ("0.1", "/hg/billing.charge@1"));
    assert_eq!(charged.partition_key, delivery.event.partition_key);
    let partition = partition_of("customer-7", 8);
    let log = bench.store.memory.engine().read("billing", partition, 0, 10).unwrap();
    assert_eq!(log.len(), 1);
}

/// Two runs of one key meet in the middle.
#[handler(scope = "meet@1", on = "t/k")]
async fn meet(e: Event<Order>, cx: &mut Tx, barrier: &Barrier) -> Result<u64, Fault> {
    barrier.wait().await;
    cx.emit("met", Charged { order: e.data.id, total: 0 })?;
    Ok(e.data.amount)
}

#[tokio::test]
async fn of_two_that_run_at_once_one_commits_and_the_other_replays() {
    let bench = Bench::new();
    let meet = bench.decorate(meet(Barrier::new(2)));
    let delivery = order("o-1", 5);
    let (one, two) = tokio::join!(meet.deliver(&delivery), meet.deliver(&delivery));
    let mut settlements = [one.unwrap(), two.unwrap()];
    settlements.sort_by_key(|settlement| *settlement != done("5"));
    assert_eq!(settlements, [done("5"), replayed("5")]);
    assert_eq!(bench.log("billing").len(), 1);
}

/// Somebody else writes the state while the handler runs, as often as it is told to.
#[handler(scope = "contended@1", on = "t/k")]
async fn contended(
    e: Event<Order>,
    cx: &mut Tx,
    (starts, others, store): &(Starts, u32, CountingStore),
) -> Result<u64, Fault> {
    let start = starts.fetch_add(1, Ordering::Relaxed);
    let mut total = cx.state::<u64>("total").await?;
    if start < *others {
        let content = Content { value: (start * 100).to_string().into(), ..Content::default() };
        let batch = Batch::new().put(Key::new("state", "total"), content, Condition::Always);
        headgate_idempotency::Store::commit(store, batch).await?;
    }
    *total.or_default() += e.data.amount;
    let sum = *total.or_default();
    cx.put(total)?;
    Ok(sum)
}

#[tokio::test]
async fn a_run_on_state_that_others_changed_is_repeated_on_fresh_state() {
    let bench = Bench::new();
    let shared = std::sync::Arc::new((Starts::default(), 2, bench.store.clone()));
    let contended = bench.decorate(contended(shared.clone()));
    assert_eq!(contended.deliver(&order("o-1", 5)).await.unwrap(), done("105"));
    assert_eq!(shared.0.load(Ordering::Relaxed), 3);
    assert_eq!(bench.state("total").unwrap(), "105");
}

#[tokio::test]
async fn runs_on_state_that_is_never_left_alone_end() {
    let bench = Bench::new();
    let shared = std::sync::Arc::new((Starts::default(), u32::MAX, bench.store.clone()));
    let contended = bench.decorate(contended(shared.clone()));
    let settlement = contended.deliver(&order("o-1", 5)).await.unwrap();
    assert!(matches!(settlement, Settlement::Deferred { .. }), "{settlement:?}");
    assert_eq!(shared.0.load(Ordering::Relaxed), headgate_idempotency::RUNS_MAX);
    let [delayed] = bench.delayed("contended@1").try_into().unwrap();
    assert_eq!(delayed.attempt, 1, "it was nobody's fault");
}

/// Reads what it put, removes, and emits to another entity.
#[handler(scope = "books@1", on = "t/k")]
async fn books(_e: Event<Order>, cx: &mut Tx) -> Result<(Option<u64>, bool), Fault> {
    let mut open = cx.state::<u64>("open").await?;
    open.set(3);
    cx.put(open)?;
    let seen = cx.state::<u64>("open").await?.get().copied();
    let mut gone = cx.state::<u64>("gone").await?;
    let was_there = gone.get().is_some();
    gone.clear();
    cx.put(gone)?;
    cx.emit("elsewhere", Elsewhere)?;
    Ok((seen, was_there))
}

#[derive(Serialize)]
struct Elsewhere;

impl Emit for Elsewhere {
    const TO: &'static str = "other/k";

    fn partition_key(&self) -> Option<Cow<'_, str>> {
        Some("customer-8".into())
    }
}

#[tokio::test]
async fn a_run_reads_what_it_put_and_removes_what_it_cleared() {
    let bench = Bench::new();
    let content = Content { value: "1".into(), ..Content::default() };
    let batch = Batch::new().put(Key::new("state", "gone"), content, Condition::Absent);
    headgate_idempotency::Store::commit(&bench.store, batch).await.unwrap();
    let books = bench.decorate(books());
    assert_eq!(books.deliver(&order("o-1", 5)).await.unwrap(), done("[3,true]"));
    assert_eq!(bench.state("open").unwrap(), "3");
    assert_eq!(bench.state("gone"), None);
    let [elsewhere] = bench.events("other").try_into().unwrap();
    assert_eq!(&*elsewhere.partition_key, "customer-8");
}

#[tokio::test]
async fn what_a_delivery_brings_along_is_written_with_its_outcome() {
    let bench = Bench::new();
    let charge = bench.decorate(charge(Starts::default()));
    let offset = Operation::CommitOffset {
        group: "g".to_owned(),
        topic: "orders".to_owned(),
        partition: 0,
        offset: 9,
    };
    let delivery = Delivery { also: vec![offset], ..order("o-1", 5) };
    assert_eq!(charge.deliver(&delivery).await.unwrap(), done("5"));
    assert_eq!(bench.asked().1, 1);
    assert_eq!(bench.store.memory.engine().offset("g", "orders", 0).unwrap(), Some(9));
}

#[tokio::test]
async fn a_store_that_is_down_is_told_and_nothing_is_lost() {
    let bench = Bench::new();
    let charge = bench.decorate(charge(Starts::default()));
    let delivery = order("o-1", 5);
    bench.store.down_for.store(1, Ordering::Relaxed);
    let error = charge.deliver(&delivery).await.unwrap_err();
    let headgate_idempotency::CommitError::Store(StoreError::Unavailable(_)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(charge.deliver(&again(&delivery, 2)).await.unwrap(), done("5"));
    assert_eq!(bench.log("billing").len(), 1);
}

#[test]
fn terms_are_those_of_the_attribute() {
    use std::time::Duration;

    use headgate_idempotency::{Backoff, Handler as _, OnLost, Order as Ordering, Terms};

    #[handler(
        scope = "all@1",
        on = "topic/type.v1",
        mode = keyed,
        on_lost = hold,
        ttl = "2d",
        lease = "5s",
        timeout = "10s",
        window = "1h",
        retry = exp("100ms", 3, "1m", 4),
        order = per_key
    )]
    async fn all(_e: Event<()>, _cx: &mut headgate_idempotency::Keyed) -> Result<(), Fault> {
        Ok(())
    }

    let mut expected = Terms::new("all@1", "topic", "type.v1");
    expected.ttl = Duration::from_hours(48);
    expected.lease = Duration::from_secs(5);
    expected.timeout = Duration::from_secs(10);
    expected.window = Duration::from_hours(1);
    expected.on_lost = OnLost::Hold;
    expected.order = Ordering::PerKey;
    expected.retry = Backoff {
        first: Duration::from_millis(100),
        factor: 3.0,
        longest: Duration::from_mins(1),
        attempts_max: 4,
    };
    assert_eq!(all().terms(), expected);
}

#[tokio::test]
async fn terms_that_can_not_hold_are_refused_at_the_start() {
    use headgate_idempotency::{Decorated, InvalidTerms, Keyed};

    #[handler(scope = "s", on = "t/k", mode = keyed, ttl = "1s", lease = "1m")]
    async fn short(_e: Event<()>, _cx: &mut Keyed) -> Result<(), Fault> {
        Ok(())
    }

    let refused = Decorated::new(short(), Bench::new().records).unwrap_err();
    assert!(matches!(refused, InvalidTerms::Times(_)), "{refused:?}");
}
