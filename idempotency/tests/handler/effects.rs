//! Effects outside: how often they happen, and what is done when that is not known.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use headgate_idempotency::{
    Decorated, Emit, Event, Fault, Handler, Keyed, Leased, Settlement, handler,
};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use crate::bench::{Bench, Order, TokioClock, order};

#[derive(Serialize)]
struct Sent;

impl Emit for Sent {
    const TO: &'static str = "mails/mail.sent.v1";
}

/// The other side: what it was asked under which key, and how it answers.
#[derive(Debug, Default)]
struct Outside {
    keys: Mutex<Vec<String>>,
    answer: AtomicU32,
    /// Somebody waits in the middle of the effect.
    begun: Notify,
}

const ANSWER: u32 = 0;
/// Answers, and then the handler fails.
const FAIL_AFTER: u32 = 1;
/// Never answers.
const HANG: u32 = 2;
const PANIC: u32 = 3;
const IN_DOUBT: u32 = 4;
const REFUSE: u32 = 5;
/// Never answers, and the handler does not wait.
const GIVE_UP: u32 = 6;

impl Outside {
    fn new(answer: u32) -> Arc<Self> {
        Arc::new(Self { answer: answer.into(), ..Self::default() })
    }

    fn then(&self, answer: u32) {
        self.answer.store(answer, Ordering::Relaxed);
    }

    fn plan(&self) -> u32 {
        self.answer.load(Ordering::Relaxed)
    }

    async fn ask(&self, key: String) -> Result<u64, Fault> {
        self.keys.lock().push(key);
        let number = self.keys.lock().len() as u64;
        match self.plan() {
            HANG | GIVE_UP => {
                self.begun.notify_one();
                std::future::pending().await
            }
            PANIC => panic!("on purpose"),
            IN_DOUBT => Err(Fault::in_doubt("no answer")),
            REFUSE => Err(Fault::retry("503")),
            _ => Ok(number),
        }
    }

    fn count(&self) -> usize {
        self.keys.lock().len()
    }

    fn after(&self) -> Result<(), Fault> {
        if self.plan() == FAIL_AFTER { Err(Fault::retry("after it")) } else { Ok(()) }
    }
}

#[handler(scope = "charge@1", on = "t/k", mode = keyed, lease = "30s", window = "1h")]
async fn keyed(_e: Event<Order>, cx: &mut Keyed, outside: &Outside) -> Result<u64, Fault> {
    cx.emit("sent", Sent)?;
    let answer = cx.effect("ask", |key| outside.ask(key)).await?;
    outside.after()?;
    Ok(answer)
}

#[handler(scope = "strict@1", on = "t/k", mode = keyed, on_lost = hold, window = "1h")]
async fn strict(_e: Event<Order>, cx: &mut Keyed, outside: &Outside) -> Result<u64, Fault> {
    cx.effect("ask", |key| outside.ask(key)).await
}

#[handler(scope = "mail.hold@1", on = "t/k", mode = leased, on_lost = hold)]
async fn held(_e: Event<Order>, cx: &mut Leased, outside: &Outside) -> Result<u64, Fault> {
    cx.emit("sent", Sent)?;
    let asking = cx.effect("ask", |key| outside.ask(key));
    let answer = if outside.plan() == GIVE_UP {
        let answer = tokio::time::timeout(Duration::from_secs(1), asking).await;
        answer.map_err(|_| Fault::retry("too slow"))??
    } else {
        asking.await?
    };
    outside.after()?;
    Ok(answer)
}

#[handler(scope = "mail.retry@1", on = "t/k", mode = leased, on_lost = retry)]
async fn retried(_e: Event<Order>, cx: &mut Leased, outside: &Outside) -> Result<u64, Fault> {
    cx.emit("sent", Sent)?;
    cx.effect("ask", |key| outside.ask(key)).await
}

fn done(result: &'static str) -> Settlement {
    Settlement::Done { result: result.into() }
}

fn is_deferred(settlement: &Settlement) -> bool {
    matches!(settlement, Settlement::Deferred { .. })
}

/// Past any wait between attempts, and past any lease.
async fn much_later() {
    tokio::time::advance(Duration::from_mins(5)).await;
}

/// Starts a delivery and ends it in the middle of its effect, as a process that dies.
async fn dies_in_the_effect<H: Handler>(handler: &Decorated<H>, outside: &Outside) {
    outside.then(HANG);
    let delivery = order("o-1", 5);
    tokio::select! {
        settlement = handler.deliver(&delivery) => panic!("{settlement:?}"),
        () = outside.begun.notified() => {}
    }
    outside.then(ANSWER);
}

#[tokio::test(start_paused = true)]
async fn an_effect_costs_a_claim_two_notes_and_a_commit() {
    let bench = Bench::new();
    let outside = Outside::new(ANSWER);
    let keyed = bench.decorate(keyed(outside.clone()));
    assert_eq!(keyed.deliver(&order("o-1", 5)).await.unwrap(), done("1"));
    assert_eq!(bench.asked(), (0, 4));
    assert_eq!(outside.count(), 1);
    assert_eq!(bench.log("mails").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_costs_one_request_and_no_effect() {
    let bench = Bench::new();
    let outside = Outside::new(ANSWER);
    let keyed = bench.decorate(keyed(outside.clone()));
    assert_eq!(keyed.deliver(&order("o-1", 5)).await.unwrap(), done("1"));
    bench.asked();
    let replayed = Settlement::Replayed { result: "1".into(), rejected: false };
    assert_eq!(keyed.deliver(&order("o-1", 5)).await.unwrap(), replayed);
    assert_eq!(bench.asked(), (0, 1));
    assert_eq!(outside.count(), 1);
    assert_eq!(bench.log("mails").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_happened_is_not_repeated_by_the_next_attempt() {
    let bench = Bench::new();
    let outside = Outside::new(FAIL_AFTER);
    let keyed = bench.decorate(keyed(outside.clone()));
    assert!(is_deferred(&keyed.deliver(&order("o-1", 5)).await.unwrap()));
    much_later().await;
    outside.then(ANSWER);
    assert_eq!(keyed.deliver(&order("o-1", 5)).await.unwrap(), done("1"), "the first answer");
    assert_eq!(outside.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_takes_over_in_the_middle_asks_under_the_same_key() {
    let bench = Bench::new();
    let outside = Outside::new(HANG);
    let keyed = bench.decorate(keyed(outside.clone()));
    dies_in_the_effect(&keyed, &outside).await;
    let settlement = keyed.deliver(&order("o-1", 5)).await.unwrap();
    assert!(matches!(settlement, Settlement::Busy { .. }), "{settlement:?}");
    much_later().await;
    assert_eq!(keyed.deliver(&order("o-1", 5)).await.unwrap(), done("2"));
    let keys = outside.keys.lock();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    assert_eq!(bench.log("mails").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_differ_between_orders() {
    let bench = Bench::new();
    let outside = Outside::new(ANSWER);
    let keyed = bench.decorate(keyed(outside.clone()));
    let mut other = order("o-2", 5);
    other.event.id = "e-2".into();
    assert_eq!(keyed.deliver(&order("o-1", 5)).await.unwrap(), done("1"));
    assert_eq!(keyed.deliver(&other).await.unwrap(), done("2"));
    let keys = outside.keys.lock();
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_be_honored_any_more_is_not_used_where_that_is_asked_for() {
    let bench = Bench::new();
    let outside = Outside::new(REFUSE);
    let strict = bench.decorate(strict(outside.clone()));
    assert!(is_deferred(&strict.deliver(&order("o-1", 5)).await.unwrap()));
    tokio::time::advance(Duration::from_mins(30)).await;
    assert!(is_deferred(&strict.deliver(&order("o-1", 5)).await.unwrap()), "within the window");
    tokio::time::advance(Duration::from_mins(31)).await;
    let settlement = strict.deliver(&order("o-1", 5)).await.unwrap();
    assert!(matches!(settlement, Settlement::Held { .. }), "{settlement:?}");
    assert_eq!(outside.count(), 2);
}

#[handler(scope = "twice@1", on = "t/k", mode = keyed)]
async fn twice(_e: Event<Order>, cx: &mut Keyed, outside: &Outside) -> Result<u64, Fault> {
    cx.effect("ask", |key| outside.ask(key)).await?;
    cx.effect("ask", |key| outside.ask(key)).await
}

#[tokio::test(start_paused = true)]
async fn a_name_is_one_effect() {
    let bench = Bench::new();
    let outside = Outside::new(ANSWER);
    let settlement =
        bench.decorate(twice(outside.clone())).deliver(&order("o-1", 5)).await.unwrap();
    let Settlement::Deferred { error, .. } = settlement else { panic!("{settlement:?}") };
    assert_eq!(error, "two effects are called \"ask\"");
    assert_eq!(outside.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_effect_is_begun_that_can_not_be_written_down() {
    let bench = Bench::new();
    let outside = Outside::new(ANSWER);
    let strict =
        bench.decorate(strict_after_claim(Arc::new((outside.clone(), bench.store.clone()))));
    let settlement = strict.deliver(&order("o-1", 5)).await.unwrap();
    assert!(matches!(settlement, Settlement::Dependency { .. }), "{settlement:?}");
    assert_eq!(outside.count(), 0);
}

/// The store goes down for one request between the claim and the effect.
#[handler(scope = "down@1", on = "t/k", mode = keyed)]
async fn strict_after_claim(
    _e: Event<Order>,
    cx: &mut Keyed,
    (outside, store): &(Arc<Outside>, crate::bench::CountingStore),
) -> Result<u64, Fault> {
    store.down_for.store(1, Ordering::Relaxed);
    cx.effect("ask", |key| outside.ask(key)).await
}

#[tokio::test(start_paused = true)]
async fn a_lost_worker_is_held_where_its_effect_must_not_happen_twice() {
    let bench = Bench::new();
    let outside = Outside::new(HANG);
    let held = bench.decorate(held(outside.clone()));
    dies_in_the_effect(&held, &outside).await;
    much_later().await;
    let settlement = held.deliver(&order("o-1", 5)).await.unwrap();
    assert!(matches!(settlement, Settlement::Waiting(_)), "{settlement:?}");
    assert_eq!(outside.count(), 1);
    assert_eq!(bench.log("mails").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_worker_is_repeated_where_that_is_asked_for() {
    let bench = Bench::new();
    let outside = Outside::new(HANG);
    let retried = bench.decorate(retried(outside.clone()));
    dies_in_the_effect(&retried, &outside).await;
    much_later().await;
    assert_eq!(retried.deliver(&order("o-1", 5)).await.unwrap(), done("2"));
    assert_eq!(outside.count(), 2);
    assert_eq!(bench.log("mails").len(), 1, "recorded once");
}

#[tokio::test(start_paused = true)]
async fn an_effect_of_which_nobody_knows_is_held() {
    for doubt in [IN_DOUBT, PANIC, GIVE_UP, HANG] {
        let bench = Bench::new();
        let outside = Outside::new(doubt);
        let held = bench.decorate(held(outside.clone()));
        let settlement = held.deliver(&order("o-1", 5)).await.unwrap();
        assert!(matches!(settlement, Settlement::Held { .. }), "{doubt}: {settlement:?}");
        much_later().await;
        outside.then(ANSWER);
        let settlement = held.deliver(&order("o-1", 5)).await.unwrap();
        assert!(matches!(settlement, Settlement::Waiting(_)), "{doubt}: {settlement:?}");
        assert_eq!(outside.count(), 1, "{doubt}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_says_it_did_not_happen_is_tried_again() {
    let bench = Bench::new();
    let outside = Outside::new(REFUSE);
    let held = bench.decorate(held(outside.clone()));
    assert!(is_deferred(&held.deliver(&order("o-1", 5)).await.unwrap()));
    much_later().await;
    outside.then(ANSWER);
    assert_eq!(held.deliver(&order("o-1", 5)).await.unwrap(), done("2"));
}

#[tokio::test(start_paused = true)]
async fn a_doubt_is_tried_again_where_that_is_harmless_or_asked_for() {
    let bench = Bench::new();
    let outside = Outside::new(IN_DOUBT);
    let settlement = bench.decorate(keyed(outside.clone())).deliver(&order("o-1", 5)).await;
    assert!(is_deferred(&settlement.unwrap()));
    let settlement = bench.decorate(retried(outside.clone())).deliver(&order("o-1", 5)).await;
    assert!(is_deferred(&settlement.unwrap()));
}

/// Works for ten leases.
#[handler(scope = "long@1", on = "t/k", mode = leased, on_lost = hold, lease = "10s")]
async fn long(_e: Event<Order>, cx: &mut Leased) -> Result<(), Fault> {
    tokio::time::sleep(Duration::from_secs(100)).await;
    cx.emit("sent", Sent)
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_keeps_the_key_of_long_work() {
    let bench = Bench::new();
    let long = bench.decorate(long());
    let delivery = order("o-1", 5);
    let other = async {
        tokio::time::sleep(Duration::from_secs(90)).await;
        long.deliver(&delivery).await
    };
    let (one, two) = tokio::join!(long.deliver(&delivery), other);
    assert_eq!(one.unwrap(), done("null"));
    assert!(matches!(two.unwrap(), Settlement::Busy { .. }));
    assert_eq!(bench.log("mails").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn work_stops_when_its_lease_can_not_be_renewed() {
    let bench = Bench::new();
    let long = bench.decorate(long());
    let delivery = order("o-1", 5);
    let cut = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bench.store.down_for.store(u32::MAX, Ordering::Relaxed);
    };
    let (settlement, ()) = tokio::join!(long.deliver(&delivery), cut);
    assert_eq!(settlement.unwrap(), Settlement::Fenced);
    bench.store.down_for.store(0, Ordering::Relaxed);
    assert_eq!(bench.log("mails").len(), 0);
}

/// Is stopped past its lease in the middle of the work, while another worker does it.
#[handler(scope = "zombie@1", on = "t/k", mode = keyed, lease = "10s")]
async fn zombie(
    e: Event<Order>,
    cx: &mut Keyed,
    (outside, clock, other): &(Arc<Outside>, Arc<TokioClock>, Mutex<Option<Other>>),
) -> Result<u64, Fault> {
    let mut total = cx.state::<u64>("total").await?;
    *total.or_default() += e.data.amount;
    cx.put(total)?;
    cx.emit("sent", Sent)?;
    let other = other.lock().take();
    if let Some(other) = other {
        clock.jump(Duration::from_mins(1));
        other().await;
    }
    if outside.plan() == HANG {
        return Ok(0);
    }
    cx.effect("ask", |key| outside.ask(key)).await
}

type Other = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Runs a worker that is overtaken by another, and gives both settlements.
async fn overtaken(bench: &Bench, outside: &Arc<Outside>) -> (Settlement, Settlement) {
    let (clock, mine) = (Arc::clone(&bench.clock), Arc::clone(outside));
    let theirs = Arc::new(Mutex::new(None));
    let second = bench.decorate(zombie(Arc::new((
        Outside::new(ANSWER),
        Arc::clone(&clock),
        Mutex::new(None),
    ))));
    let found = Arc::clone(&theirs);
    let other: Other = Box::new(move || {
        Box::pin(async move {
            let settlement = second.deliver(&order("o-1", 5)).await.unwrap();
            *found.lock() = Some(settlement);
        })
    });
    let first = bench.decorate(zombie(Arc::new((mine, clock, Mutex::new(Some(other))))));
    let settlement = first.deliver(&order("o-1", 5)).await.unwrap();
    let theirs = theirs.lock().take().unwrap();
    (settlement, theirs)
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_comes_back_late_commits_nothing() {
    let bench = Bench::new();
    let (late, other) = overtaken(&bench, &Outside::new(HANG)).await;
    assert_eq!((late, other), (Settlement::Fenced, done("1")));
    assert_eq!(bench.state("total").unwrap(), "5");
    assert_eq!(bench.log("mails").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_comes_back_late_begins_no_effect() {
    let bench = Bench::new();
    let outside = Outside::new(ANSWER);
    let (late, other) = overtaken(&bench, &outside).await;
    assert_eq!((late, other), (Settlement::Fenced, done("1")));
    assert_eq!(outside.count(), 0);
    assert_eq!(bench.state("total").unwrap(), "5");
}
