//! What becomes of an event whose handler fails.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use headgate_idempotency::{
    DEAD_LETTERS, Delivery, Emit, Event, Fault, Keyed, Settlement, Tx, handler,
};
use headgate_store::Operation;
use headgate_types::Clock as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bench::{Bench, Order, again, event, order};

#[derive(Serialize)]
struct Noted;

impl Emit for Noted {
    const TO: &'static str = "notes/noted.v1";
}

/// What a handler is to do at its next start, by number.
type Plan = AtomicU32;

const WORK: u32 = 0;
const RETRY: u32 = 1;
const RETRY_IN_AN_HOUR: u32 = 2;
const TERMINAL: u32 = 3;
const DEPENDENCY: u32 = 4;
const PANIC: u32 = 5;
const LOOP: u32 = 6;
const TWICE: u32 = 7;
const MANY: u32 = 8;
const IN_DOUBT: u32 = 9;

#[handler(
    scope = "plan@1",
    on = "orders/order.placed.v1",
    key = |e| e.data.id,
    retry = exp("200ms", 2.0, "5m", 3)
)]
async fn planned(_e: Event<Order>, cx: &mut Tx, plan: &Plan) -> Result<&'static str, Fault> {
    let mut state = cx.state::<u64>("s").await?;
    state.set(1);
    cx.put(state)?;
    cx.emit("noted", Noted)?;
    match plan.load(Ordering::Relaxed) {
        RETRY => Err(Fault::retry("not now")),
        RETRY_IN_AN_HOUR => Err(Fault::retry_after(Duration::from_hours(1), "much later")),
        TERMINAL => Err(Fault::terminal("no such customer")),
        DEPENDENCY => Err(Fault::dependency("psp", "down")),
        PANIC => panic!("on purpose"),
        IN_DOUBT => Err(Fault::in_doubt("who knows")),
        LOOP => loop {
            let label = format!("n{}", plan.fetch_add(100, Ordering::Relaxed));
            cx.emit(&label, Noted)?;
        },
        TWICE => cx.emit("noted", Noted).map(|()| "twice"),
        MANY => (1..127).try_for_each(|n| cx.emit(&format!("n{n}"), Noted)).map(|()| "many"),
        _ => Ok("worked"),
    }
}

/// Delivers once with a plan, and makes sure that of the run itself nothing was written.
async fn failed(bench: &Bench, plan: u32, delivery: &Delivery) -> Settlement {
    let handler = bench.decorate(planned(Plan::new(plan)));
    let settlement = handler.deliver(delivery).await.unwrap();
    assert_eq!(bench.state("s"), None);
    assert_eq!(bench.log("notes").len(), 0);
    settlement
}

fn with_offset(delivery: Delivery) -> Delivery {
    let (group, topic) = ("g".to_owned(), "orders".to_owned());
    let offset = Operation::CommitOffset { group, topic, partition: 0, offset: 9 };
    Delivery { also: vec![offset], ..delivery }
}

fn offset(bench: &Bench) -> Option<u64> {
    bench.store.memory.engine().offset("g", "orders", 0).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_failed_event_waits_in_the_delay_queue_and_works_later() {
    let bench = Bench::new();
    let delivery = with_offset(order("o-1", 5));
    let settlement = failed(&bench, RETRY, &delivery).await;
    let Settlement::Deferred { until, error } = settlement else { panic!("{settlement:?}") };
    assert_eq!(error, "not now");
    assert!(until <= bench.clock.unix_time() + Duration::from_millis(200));
    assert_eq!(offset(&bench), Some(9), "the offset moves on with it");
    let [delayed] = bench.delayed("plan@1").try_into().unwrap();
    assert_eq!((&delayed.event, delayed.attempt), (&delivery.event, 2));
    let handler = bench.decorate(planned(Plan::new(WORK)));
    let settlement = handler.deliver(&delayed).await.unwrap();
    assert_eq!(settlement, Settlement::Done { result: "\"worked\"".into() });
    assert_eq!(bench.delayed("plan@1").len(), 0, "taken out with the outcome");
}

#[tokio::test(start_paused = true)]
async fn an_event_waits_anew_after_each_failure_and_is_given_up_in_the_end() {
    let bench = Bench::new();
    let mut delivery = order("o-1", 5);
    for attempt in [1, 2] {
        let settlement = failed(&bench, RETRY, &delivery).await;
        assert!(matches!(settlement, Settlement::Deferred { .. }), "{attempt}: {settlement:?}");
        let [delayed] = bench.delayed("plan@1").try_into().unwrap();
        assert_eq!(delayed.attempt, attempt + 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        delivery = delayed;
    }
    let settlement = failed(&bench, RETRY, &delivery).await;
    assert_eq!(settlement, Settlement::Parked { error: "not now".to_owned() });
    assert_eq!(bench.delayed("plan@1").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_hand_over_a_delayed_event_one_has_its_outcome() {
    let bench = Bench::new();
    failed(&bench, RETRY, &order("o-1", 5)).await;
    let [delayed] = bench.delayed("plan@1").try_into().unwrap();
    let handler = bench.decorate(planned(Plan::new(WORK)));
    assert!(matches!(handler.deliver(&delayed).await, Ok(Settlement::Done { .. })));
    let settlement = handler.deliver(&delayed).await.unwrap();
    assert!(matches!(settlement, Settlement::Replayed { .. }), "{settlement:?}");
    assert_eq!(bench.log("notes").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fault_says_when_to_come_again() {
    let bench = Bench::new();
    let settlement = failed(&bench, RETRY_IN_AN_HOUR, &order("o-1", 5)).await;
    let Settlement::Deferred { until, .. } = settlement else { panic!("{settlement:?}") };
    assert_eq!(until, bench.clock.unix_time() + Duration::from_hours(1));
}

#[tokio::test(start_paused = true)]
async fn without_effects_outside_there_is_no_doubt() {
    let bench = Bench::new();
    let settlement = failed(&bench, IN_DOUBT, &order("o-1", 5)).await;
    assert!(matches!(settlement, Settlement::Deferred { .. }), "{settlement:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_as_often_as_it_may_leaves_one_dead_letter() {
    let bench = Bench::new();
    let delivery = with_offset(order("o-1", 5));
    for attempt in [1, 2] {
        let settlement = failed(&bench, RETRY, &again(&delivery, attempt)).await;
        assert!(matches!(settlement, Settlement::Deferred { .. }), "{attempt}: {settlement:?}");
    }
    let settlement = failed(&bench, RETRY, &again(&delivery, 3)).await;
    assert_eq!(settlement, Settlement::Parked { error: "not now".to_owned() });
    let [letter] = bench.log(&format!("{DEAD_LETTERS}plan@1")).try_into().unwrap();
    let letter: serde_json::Value = serde_json::from_slice(&letter).unwrap();
    assert_eq!(
        (&letter["reason"], &letter["error"], &letter["attempts"], &letter["event"]["id"]),
        (&"attempts".into(), &"not now".into(), &3.into(), &"e-1".into())
    );
    let settlement = failed(&bench, WORK, &again(&delivery, 4)).await;
    assert!(matches!(settlement, Settlement::Waiting(_)), "{settlement:?}");
    assert_eq!(bench.log(&format!("{DEAD_LETTERS}plan@1")).len(), 1);
}

#[tokio::test]
async fn a_refusal_for_good_is_recorded_and_replayed() {
    let bench = Bench::new();
    let delivery = with_offset(order("o-1", 5));
    let result = r#"{"error":"no such customer"}"#;
    let settlement = failed(&bench, TERMINAL, &delivery).await;
    assert_eq!(settlement, Settlement::Rejected { result: result.into() });
    assert_eq!(offset(&bench), Some(9));
    let settlement = failed(&bench, WORK, &delivery).await;
    assert_eq!(settlement, Settlement::Replayed { result: result.into(), rejected: true });
}

#[tokio::test]
async fn a_dependency_that_is_down_costs_no_write_and_no_attempt() {
    let bench = Bench::new();
    let delivery = with_offset(order("o-1", 5));
    for _ in 0..20 {
        let settlement = failed(&bench, DEPENDENCY, &delivery).await;
        let expected = Settlement::Dependency { name: "psp".to_owned(), error: "down".to_owned() };
        assert!(!settlement.is_settled() && !settlement.is_recorded());
        assert_eq!(settlement, expected);
    }
    assert_eq!(bench.asked().1, 0);
    assert_eq!(offset(&bench), None);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_tried_once_more_and_then_given_up() {
    let bench = Bench::new();
    let delivery = order("o-1", 5);
    let settlement = failed(&bench, PANIC, &delivery).await;
    let Settlement::Deferred { error, .. } = settlement else { panic!("{settlement:?}") };
    assert_eq!(error, "panicked: on purpose");
    let settlement = failed(&bench, PANIC, &again(&delivery, 2)).await;
    assert_eq!(settlement, Settlement::Parked { error: "panicked: on purpose".to_owned() });
    let [letter] = bench.log(&format!("{DEAD_LETTERS}plan@1")).try_into().unwrap();
    assert!(letter.windows(16).any(|part| part == br#""reason":"panic""#.as_slice()));
}

#[tokio::test]
async fn an_event_that_comes_too_late_is_not_handled() {
    let bench = Bench::new();
    let mut delivery = order("o-1", 5);
    delivery.event.expires_at = Some(bench.clock.unix_time());
    assert_eq!(failed(&bench, WORK, &delivery).await, Settlement::Expired);
    assert_eq!(bench.asked(), (0, 0));
}

#[tokio::test]
async fn data_that_the_handler_does_not_take_is_given_up_at_once() {
    let bench = Bench::new();
    let delivery = Delivery::first(event(r#"{"id":"o-1","amount":"five"}"#));
    let settlement = failed(&bench, WORK, &delivery).await;
    let Settlement::Parked { error } = settlement else { panic!("{settlement:?}") };
    assert!(error.contains("expected u64"), "{error}");
    assert_eq!(bench.log(&format!("{DEAD_LETTERS}plan@1")).len(), 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_given_up_at_once() {
    let bench = Bench::new();
    let settlement = failed(&bench, WORK, &order("", 5)).await;
    assert_eq!(settlement, Settlement::Parked { error: "the key is empty".to_owned() });
}

#[tokio::test]
async fn a_key_for_other_data_is_a_conflict_that_tells_nothing() {
    let bench = Bench::new();
    let handler = bench.decorate(planned(Plan::new(WORK)));
    assert!(matches!(handler.deliver(&order("o-1", 5)).await, Ok(Settlement::Done { .. })));
    bench.asked();
    assert_eq!(handler.deliver(&order("o-1", 6)).await.unwrap(), Settlement::Conflict);
    assert_eq!(bench.log("notes").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_writes_is_bounded() {
    let bench = Bench::new();
    let settlement = failed(&bench, LOOP, &order("o-1", 5)).await;
    let Settlement::Deferred { error, .. } = settlement else { panic!("{settlement:?}") };
    assert!(error.contains("at most 128"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_commit_above_the_stores_budget_is_given_up() {
    let bench = Bench::new();
    let settlement = failed(&bench, MANY, &order("o-1", 5)).await;
    let Settlement::Parked { error } = settlement else { panic!("{settlement:?}") };
    assert!(error.contains("operations"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_label_is_used_once() {
    let bench = Bench::new();
    let settlement = failed(&bench, TWICE, &order("o-1", 5)).await;
    let Settlement::Deferred { error, .. } = settlement else { panic!("{settlement:?}") };
    assert_eq!(error, "two events are emitted as \"noted\"");
}

#[tokio::test(start_paused = true)]
async fn a_series_that_feeds_itself_is_given_up() {
    let bench = Bench::new();
    let mut delivery = order("o-1", 5);
    delivery.event.step = format!("0{}", ".1".repeat(64)).parse().unwrap();
    let settlement = failed(&bench, WORK, &again(&delivery, 3)).await;
    let Settlement::Parked { error } = settlement else { panic!("{settlement:?}") };
    assert!(error.contains("64 steps deep"), "{error}");
}

/// The same in a mode that claims first.
#[handler(scope = "keyed@1", on = "t/k", mode = keyed, retry = exp("1s", 2, "1s", 2))]
async fn keyed(_e: Event<Order>, cx: &mut Keyed, plan: &Plan) -> Result<(), Fault> {
    cx.emit("noted", Noted)?;
    match plan.load(Ordering::Relaxed) {
        RETRY => Err(Fault::retry("not now")),
        DEPENDENCY => Err(Fault::dependency("psp", "down")),
        PANIC => panic!("on purpose"),
        _ => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_claimed_key_counts_its_attempts_in_the_record() {
    let bench = Bench::new();
    let handler = bench.decorate(keyed(Plan::new(RETRY)));
    let delivery = order("o-1", 5);
    let settlement = handler.deliver(&delivery).await.unwrap();
    assert!(matches!(settlement, Settlement::Deferred { .. }), "{settlement:?}");
    tokio::time::advance(Duration::from_secs(1)).await;
    // Whoever delivers has forgotten that it is the second attempt.
    let settlement = handler.deliver(&delivery).await.unwrap();
    assert_eq!(settlement, Settlement::Parked { error: "not now".to_owned() });
    assert_eq!(bench.log("notes").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_claimed_key_is_given_back_when_a_dependency_is_down() {
    let bench = Bench::new();
    let delivery = order("o-1", 5);
    let down = bench.decorate(keyed(Plan::new(DEPENDENCY)));
    for _ in 0..5 {
        let settlement = down.deliver(&delivery).await.unwrap();
        assert!(matches!(settlement, Settlement::Dependency { .. }), "{settlement:?}");
    }
    let up = bench.decorate(keyed(Plan::new(WORK)));
    let settlement = up.deliver(&delivery).await.unwrap();
    assert_eq!(settlement, Settlement::Done { result: "null".into() });
}

#[tokio::test(start_paused = true)]
async fn a_panic_under_a_claim_leaves_no_claim_behind() {
    let bench = Bench::new();
    let delivery = order("o-1", 5);
    let settlement = bench.decorate(keyed(Plan::new(PANIC))).deliver(&delivery).await.unwrap();
    assert!(matches!(settlement, Settlement::Deferred { .. }), "{settlement:?}");
    tokio::time::advance(Duration::from_secs(1)).await;
    let settlement = bench.decorate(keyed(Plan::new(WORK))).deliver(&delivery).await;
    assert_eq!(settlement.unwrap(), Settlement::Done { result: "null".into() });
}

/// Its code panics outside of the function too: where the key is read, and where data is.
#[handler(scope = "panics@1", on = "t/k", key = |e| e.data.key())]
async fn panics(_e: Event<Panics>, cx: &mut Tx) -> Result<Panics, Fault> {
    cx.emit("noted", Noted)?;
    Ok(Panics("result".to_owned()))
}

struct Panics(String);

impl Panics {
    fn key(&self) -> &str {
        assert_ne!(self.0, "key", "on purpose");
        &self.0
    }
}

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        assert_ne!(text, "data", "on purpose");
        Ok(Self(text))
    }
}

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        panic!("on purpose")
    }
}

#[tokio::test(start_paused = true)]
async fn no_panic_of_the_handlers_code_gets_through() {
    for (data, is_tried_again) in [("key", false), ("data", false), ("fine", true)] {
        let bench = Bench::new();
        let delivery = Delivery::first(event(&format!("{data:?}")));
        let settlement = bench.decorate(panics()).deliver(&delivery).await.unwrap();
        match settlement {
            Settlement::Deferred { error, .. } if is_tried_again => {
                assert_eq!(error, "panicked: on purpose");
            }
            Settlement::Parked { error } if !is_tried_again => {
                assert!(error.contains("on purpose"), "{error}");
            }
            other => panic!("{data}: {other:?}"),
        }
        assert_eq!(bench.log("notes").len(), 0);
    }
}

#[handler(scope = "slow@1", on = "t/k", timeout = "10s")]
async fn slow(_e: Event<Order>, cx: &mut Tx) -> Result<(), Fault> {
    cx.emit("noted", Noted)?;
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_is_dropped_and_tried_again() {
    let bench = Bench::new();
    let settlement = bench.decorate(slow()).deliver(&order("o-1", 5)).await.unwrap();
    let Settlement::Deferred { error, .. } = settlement else { panic!("{settlement:?}") };
    assert_eq!(error, "it took longer than 10s");
    assert_eq!(bench.log("notes").len(), 0);
}
