//! A handler that gets more than it can do, for a while: what is urgent is in time all the same,
//! what is not goes on, and no key is ever handled twice at once.

use super::*;

/// Deliveries at once, and how long each takes: 50 a second.
const AT_ONCE: u32 = 2;
const TAKES: Duration = Duration::from_millis(40);
/// Six every 100 ms: 60 a second, which is 120 %.
const TICK: Duration = Duration::from_millis(100);
const EACH_TICK: u64 = 6;
const LASTS: Duration = Duration::from_secs(15);
/// What is urgent has to be done within this.
const IN_TIME: Duration = Duration::from_millis(500);
/// Events of a partition that are kept: much less than what waits in the end.
const KEPT: usize = 4;
/// One of ten events is about the same thing.
const SHARED: &str = "shared";
const CLASSES: [Class; 3] = [Class::Critical, Class::Standard, Class::Bulk];

/// One run of the handler.
#[derive(Clone, Debug)]
struct Ran {
    key: String,
    class: Class,
    published: Duration,
    began: Duration,
    ended: Duration,
}

/// Takes its time, and keeps a ledger. An event's data are when it was published, in microseconds,
/// and its true class.
struct Slow {
    terms: Terms,
    clock: Arc<dyn Clock>,
    ledger: Arc<Mutex<Vec<Ran>>>,
}

impl Handler for Slow {
    type Data = (u64, usize);
    type Output = ();
    type Mode = Transactional;

    fn terms(&self) -> Terms {
        self.terms.clone()
    }

    async fn handle(
        &self,
        event: Event<(u64, usize)>,
        _: &mut Context<Transactional>,
    ) -> Result<(), Fault> {
        let began = self.clock.now().since(headgate_types::Moment::ZERO);
        sleep(TAKES).await;
        let (published, class) = event.data;
        self.ledger.lock().push(Ran {
            key: event.partition_key.to_string(),
            class: Class::ALL[class],
            published: Duration::from_micros(published),
            began,
            ended: self.clock.now().since(headgate_types::Moment::ZERO),
        });
        Ok(())
    }
}

/// Runs it, and tells the runs. Without priorities, all events claim to be alike.
async fn overload(with_priorities: bool, order: Order) -> Vec<Ran> {
    let World { broker, store, parts, work, .. } =
        World::new(1, Kind { order, is_paying: false, bug: None });
    work.is_calm.store(true, Relaxed);
    broker.ensure(&[Topic::new(TOPIC)]).await.unwrap();
    // A store that takes no time, so that the load is what it is said to be.
    let records = Records::new(
        Arc::new(store.memory.clone()),
        Arc::clone(&parts.clock),
        Arc::new(SeededRandom::new(1)),
        Settings::default(),
    );
    let parts = Parts { records: records.clone(), ..parts };
    let ledger: Arc<Mutex<Vec<Ran>>> = Arc::default();
    let slow = Slow { terms: work.terms, clock: Arc::clone(&parts.clock), ledger: ledger.clone() };
    let handler: Arc<dyn Deliver> = Arc::new(Decorated::new(slow, records).unwrap());
    let settings = consumer::Settings {
        concurrency: consumer::Concurrency::Fixed(AT_ONCE),
        buffered_max: KEPT,
        ..Default::default()
    };
    let consumer = Consumer::start(parts.clone(), handler, settings).await.unwrap();
    let began = parts.clock.now();
    let mut number = 1;
    while parts.clock.now().since(began) < LASTS {
        let now = parts.clock.now().since(headgate_types::Moment::ZERO);
        let events = (number..number + EACH_TICK).map(|number| {
            let class = CLASSES[usize::try_from(number % 3).unwrap()];
            let mut event = event(number % 600, number);
            if number % 10 == 0 {
                event.partition_key = SHARED.into();
            }
            let published = u64::try_from(now.as_micros()).unwrap();
            event.data = Bytes::from(format!("[{published},{}]", class.index()));
            event.priority = if with_priorities { class } else { Class::Standard };
            Message::event(&parts.topics, TOPIC, event)
        });
        broker.append(events.collect()).await.unwrap();
        number += EACH_TICK;
        sleep(TICK).await;
    }
    consumer.stop().await;
    ledger.lock().clone()
}

fn ran(with_priorities: bool, order: Order) -> Vec<Ran> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(overload(with_priorities, order))
}

/// Of those of a class, the share that was too late.
fn late(ran: &[Ran], class: Class) -> f64 {
    let of: Vec<_> = ran.iter().filter(|it| it.class == class).collect();
    let late = of.iter().filter(|it| it.ended > it.published + IN_TIME).count();
    late as f64 / of.len() as f64
}

fn check(order: Order) {
    let ran = ran(true, order);
    assert!(late(&ran, Class::Critical) < 0.01, "{}", late(&ran, Class::Critical));
    assert!(late(&ran, Class::Bulk) > 0.5, "it is too much: {}", late(&ran, Class::Bulk));

    let mut ends: Vec<_> =
        ran.iter().filter(|it| it.class == Class::Bulk).map(|it| it.ended).collect();
    ends.sort_unstable();
    let longest = ends.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap();
    assert!(longest < Duration::from_secs(5), "bulk stood still for {longest:?}");
    assert!(ends.last().is_some_and(|last| *last + Duration::from_secs(5) > LASTS));

    let mut by_key: BTreeMap<&str, Vec<&Ran>> = BTreeMap::new();
    for it in &ran {
        by_key.entry(&it.key).or_default().push(it);
    }
    assert!(by_key[SHARED].len() > 40, "it is handled too: {}", by_key[SHARED].len());
    for (key, mut of) in by_key {
        of.sort_by_key(|it| it.began);
        assert!(of.windows(2).all(|pair| pair[0].ended <= pair[1].began), "{key} twice at once");
        assert!(of.windows(2).all(|pair| pair[0].published <= pair[1].published), "{key}'s order");
    }
}

#[test]
fn urgent_events_are_in_time_behind_a_backlog_of_others() {
    check(Order::Unordered);
}

#[test]
fn urgent_events_are_in_time_where_keys_are_in_order() {
    check(Order::PerKey);
}

#[test]
fn without_priorities_all_are_late() {
    let ran = ran(false, Order::Unordered);
    assert!(late(&ran, Class::Critical) > 0.5, "{}", late(&ran, Class::Critical));
}
