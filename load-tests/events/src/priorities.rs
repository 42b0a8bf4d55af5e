//! A handler that gets a fifth more than it can do, of three classes, on the embedded engine.

use std::{collections::HashMap, fmt, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use headgate_events::{Consumer, Deliver, Message, Topic, Topics, consumer};
use headgate_idempotency::{Context, Decorated, Event, Fault, Handler, Terms, Transactional};
use headgate_types::{Class, Clock, Moment};
use parking_lot::Mutex;
use tokio::time::{interval, sleep};

use crate::{
    handlers::KIND,
    world::{Place, World, root},
};

const TOPIC: &str = "load.priorities";
const SCOPE: &str = "load.priorities@1";
const CLASSES: [Class; 3] = [Class::Critical, Class::Standard, Class::Bulk];
/// Deliveries at once, and how long each takes beside its commit. With more at once the shared key
/// alone would be too much: its events come one after another.
const AT_ONCE: u32 = 6;
const TAKES: Duration = Duration::from_millis(10);
/// Events that are published at once.
const TICK: Duration = Duration::from_millis(10);
/// Events that are appended together at most.
const BATCH: usize = 500;
/// What the handler can do is measured with so many events.
const SAMPLE: u64 = 2_000;
/// How much more it gets.
const LOAD: f64 = 1.2;
/// What is critical has to be done within this.
const IN_TIME: Duration = Duration::from_secs(1);
/// One event in so many is about the same thing.
const SHARED_IN: u64 = 10;
const SHARED: &str = "shared";
/// Of what is critical, the share that may be late.
const LATE_MAX: f64 = 0.01;
/// How long the least important may stand still.
const STILL_MAX: Duration = Duration::from_mins(1);

/// What came of it.
#[derive(Clone, Debug)]
pub struct Priorities {
    /// Deliveries a second that the handler can do.
    pub capacity: f64,
    /// By class: events handled, the share of them that was late, and the longest time between two.
    pub classes: [(u64, f64, Duration); 3],
    /// Pairs of deliveries of one key that were at work at once.
    pub overlaps: u64,
}

impl Priorities {
    /// Whether what is critical is in time, nothing stands still, and no key is handled twice at
    /// once.
    pub fn holds(&self) -> bool {
        let [(_, late, _), .., (bulk, _, still)] = self.classes;
        late < LATE_MAX && bulk > 0 && still < STILL_MAX && self.overlaps == 0
    }
}

impl fmt::Display for Priorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { capacity, classes, overlaps } = self;
        writeln!(f, "priorities: {capacity:.0}/s can be done, a fifth more comes")?;
        for (class, (count, late, still)) in CLASSES.iter().zip(classes) {
            let (late, still) = (late * 100.0, still.as_secs_f64());
            writeln!(
                f,
                "- {class}: {count} done, {late:.2} % late, none for {still:.1} s at most"
            )?;
        }
        write!(f, "- {overlaps} keys handled twice at once")
    }
}

/// One run of the handler.
#[derive(Clone, Debug)]
struct Ran {
    key: Arc<str>,
    class: Class,
    published: Moment,
    began: Moment,
    ended: Moment,
}

struct Slow {
    clock: Arc<dyn Clock>,
    ledger: Arc<Mutex<Vec<Ran>>>,
}

impl Handler for Slow {
    /// When it was published, in microseconds.
    type Data = u64;
    type Output = ();
    type Mode = Transactional;

    fn terms(&self) -> Terms {
        Terms::new(SCOPE, TOPIC, KIND)
    }

    async fn handle(&self, event: Event<u64>, _: &mut Context<Transactional>) -> Result<(), Fault> {
        let began = self.clock.now();
        sleep(TAKES).await;
        self.ledger.lock().push(Ran {
            key: event.partition_key,
            class: event.priority,
            published: Moment::ZERO + Duration::from_micros(event.data),
            began,
            ended: self.clock.now(),
        });
        Ok(())
    }
}

/// Runs it for a time on a folder's disk.
///
/// # Errors
///
/// The engine fails, or nothing is handled.
pub fn priorities(lasts: Duration, folder: &Path) -> Result<Priorities> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let world = World::open(&Place::embedded(folder.join("data"))).await?;
        world.parts.log.ensure(&[Topic::new(TOPIC)]).await?;
        let ledger: Arc<Mutex<Vec<Ran>>> = Arc::default();
        let slow = Slow { clock: Arc::clone(&world.parts.clock), ledger: Arc::clone(&ledger) };
        let slow: Arc<dyn Deliver> = Arc::new(Decorated::new(slow, world.parts.records.clone())?);
        let concurrency = consumer::Concurrency::Fixed(AT_ONCE);
        let settings = consumer::Settings { concurrency, ..Default::default() };
        append(&world, 0..SAMPLE).await?;
        let consumer = Consumer::start(world.parts.clone(), slow, settings).await?;
        while (ledger.lock().len() as u64) < SAMPLE {
            sleep(TICK).await;
        }
        let sample = std::mem::take(&mut *ledger.lock());
        let capacity = rate(&sample).context("nothing was measured")?;
        publish(&world, capacity * LOAD, lasts).await?;
        consumer.stop().await;
        let ran = std::mem::take(&mut *ledger.lock());
        Ok(account(capacity, ran))
    })
}

/// Deliveries a second, of the second half: the first one warms up.
fn rate(ran: &[Ran]) -> Option<f64> {
    let half = ran.get(ran.len() / 2..)?;
    let time = half.last()?.ended.since(half.first()?.ended);
    Some(half.len() as f64 / time.as_secs_f64())
}

async fn publish(world: &World, rate: f64, lasts: Duration) -> Result<()> {
    let (began, mut tick) = (world.parts.clock.now(), interval(TICK));
    let mut number = SAMPLE;
    loop {
        tick.tick().await;
        let since = world.parts.clock.now().since(began);
        if since >= lasts {
            return Ok(());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some thousands"
        )]
        let due = SAMPLE + (rate * since.as_secs_f64()) as u64;
        append(world, number..due.max(number)).await?;
        number = due.max(number);
    }
}

async fn append(world: &World, numbers: std::ops::Range<u64>) -> Result<()> {
    let (clock, topics) = (&world.parts.clock, Topics::default());
    let micros = u64::try_from(clock.now().since(Moment::ZERO).as_micros()).unwrap_or(u64::MAX);
    let messages: Result<Vec<_>> = numbers
        .map(|number| {
            let mut event = root(&format!("k{number:08}"), clock.unix_time(), &micros)?;
            let class = CLASSES.get(usize::try_from(number % 3)?);
            event.priority = class.copied().unwrap_or_default();
            event.partition_key = if number.is_multiple_of(SHARED_IN) {
                SHARED.into()
            } else {
                format!("{}-{}", event.priority, number % 999).into()
            };
            Ok(Message::event(&topics, TOPIC, event))
        })
        .collect();
    let mut messages = messages?;
    while !messages.is_empty() {
        let rest = messages.split_off(messages.len().min(BATCH));
        world.parts.log.append(std::mem::replace(&mut messages, rest)).await?;
    }
    Ok(())
}

fn account(capacity: f64, mut ran: Vec<Ran>) -> Priorities {
    let classes = CLASSES.map(|class| {
        let of: Vec<_> = ran.iter().filter(|it| it.class == class).collect();
        let late = of.iter().filter(|it| it.ended.since(it.published) > IN_TIME).count();
        let mut ends: Vec<_> = of.iter().map(|it| it.ended).collect();
        ends.sort_unstable();
        let gaps = ends.iter().zip(ends.iter().skip(1)).map(|(one, next)| next.since(*one));
        let share = late as f64 / of.len().max(1) as f64;
        (of.len() as u64, share, gaps.max().unwrap_or_default())
    });
    ran.sort_unstable_by_key(|it| it.began);
    let mut last: HashMap<Arc<str>, Moment> = HashMap::new();
    let mut overlaps = 0;
    for it in ran {
        let before = last.insert(it.key, it.ended);
        overlaps += u64::from(before.is_some_and(|before| before > it.began));
    }
    Priorities { capacity, classes, overlaps }
}
