//! How many events a second one process handles exactly once on the embedded engine.

use std::{collections::VecDeque, fmt, fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use headgate_events::{Consumer, Deliver, consumer};
use headgate_idempotency::Decorated;
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep},
};

use crate::{
    handlers::{self, SCOPES, TOPICS},
    world::{Place, World},
};

/// Roots that are appended at once.
const BATCH: usize = 500;
/// Between two looks at how far the group is.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Times at which events were published of which not all are handled: five seconds of them.
const OPEN_MAX: usize = 1_000;
/// Between two times that events are published under a steady load.
const TICK: Duration = Duration::from_millis(5);
/// Between two looks at how much memory there is.
const WEIGH_EVERY: Duration = Duration::from_secs(1);
/// Events a second that one process must handle.
const PER_SECOND_MIN: f64 = 8_000.0;
/// The part of that time for which half of the rate is kept up that was reached.
const HALF_PART: u32 = 10;
/// The longest that all but one in a hundred may take at half of that rate.
const P99_MAX: Duration = Duration::from_millis(30);
/// Of the memory of the run's first half, how much more its second half may take.
const GROWTH_MAX: f64 = 0.05;
/// A run that is shorter tells nothing of memory: caches are still being filled.
const FLAT_AFTER: Duration = Duration::from_mins(2);

/// How much there is to do.
#[derive(Clone, Debug)]
pub struct Cycles {
    /// Events that stand in the log before the consumer starts.
    pub events: u64,
    /// How long half of the rate that must be reached is kept up; half of the one that is reached,
    /// a tenth of that. Zero: not at all.
    pub half_load: Duration,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Events handled in a second, with everything that is recorded of them.
    per_second: f64,
    /// At half of the rate that must be reached.
    half_of_bar: Load,
    /// At half of the rate that was reached.
    half: Load,
}

/// What a steady load showed.
#[derive(Clone, Copy, Debug)]
struct Load {
    per_second: f64,
    /// From when an event is due in the log to when its outcome and its child are durable.
    p50: Duration,
    p99: Duration,
    /// How much more memory there was in the second half, as a share of the first. None: it was
    /// too short to tell.
    growth: Option<f64>,
}

impl Rate {
    /// Whether it is fast enough, and memory stays what it is.
    pub fn holds(&self) -> bool {
        self.per_second >= PER_SECOND_MIN
            && self.half_of_bar.p99 <= P99_MAX
            && self.half_of_bar.growth.is_none_or(|growth| growth <= GROWTH_MAX)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, half_of_bar, half } = self;
        write!(f, "cycles on the embedded engine: {per_second:.0}/s; {half_of_bar}; {half}")
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, p50, p99, growth } = self;
        let millis = |length: &Duration| length.as_secs_f64() * 1_000.0;
        let (p50, p99) = (millis(p50), millis(p99));
        write!(f, "at {per_second:.0}/s p50 {p50:.1} ms, p99 {p99:.1} ms")?;
        growth.map_or(Ok(()), |growth| write!(f, ", memory {:+.1} %", growth * 100.0))
    }
}

/// Measures on a folder's disk.
///
/// # Errors
///
/// The engine fails, or the events are not handled.
pub fn cycles(sizes: &Cycles, folder: &Path) -> Result<Rate> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let world = Arc::new(World::open(&Place::embedded(folder.join("data"))).await?);
        let names: Vec<_> = (0..sizes.events).map(|number| format!("k{number:08}")).collect();
        for batch in names.chunks(BATCH) {
            world.publish(batch).await?;
        }
        let began = Instant::now();
        let handler = Arc::new(Decorated::new(handlers::zero(), world.parts.records.clone())?);
        let handler: Arc<dyn Deliver> = handler;
        let settings = consumer::Settings::default();
        let consumer = Consumer::start(world.parts.clone(), handler, settings).await?;
        passed(&world, sizes.events).await?;
        let per_second = sizes.events as f64 / began.elapsed().as_secs_f64();
        let mut published = sizes.events;
        let asked = sizes.half_load;
        let (bar, reached) = (PER_SECOND_MIN / 2.0, per_second / 2.0);
        let half_of_bar = load(&world, (bar, asked), &mut published).await?;
        let half = load(&world, (reached, asked / HALF_PART), &mut published).await?;
        consumer.stop().await;
        Ok(Rate { per_second, half_of_bar, half })
    })
}

async fn settled(world: &World) -> Result<u64> {
    let ([topic, ..], [scope, ..]) = (TOPICS, SCOPES);
    Ok(world.parts.log.offsets(scope, topic).await?.iter().flatten().sum())
}

async fn passed(world: &World, events: u64) -> Result<()> {
    let until = Instant::now() + Duration::from_mins(5);
    while settled(world).await? < events {
        ensure!(Instant::now() < until, "the events are not handled in time");
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Publishes at a rate, and takes the times until each event's outcome and its child are durable.
/// A time begins when its events were due, also where the ones before held them up.
async fn load(
    world: &Arc<World>,
    (rate, length): (f64, Duration),
    published: &mut u64,
) -> Result<Load> {
    let (mut times, mut weights) = (Vec::new(), Vec::new());
    let mut weigh = Instant::now();
    let (mut tick, mut look) = (interval(TICK), interval(LOOK_EVERY));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundreds")]
    let each = (rate * TICK.as_secs_f64()).max(1.0) as u64;
    let mut ticks = length.as_millis() / TICK.as_millis();
    let mut open: VecDeque<(u64, Instant)> = VecDeque::new();
    let mut publishing = JoinSet::new();
    while ticks > 0 || !open.is_empty() {
        tokio::select! {
            began = tick.tick(), if ticks > 0 => {
                ticks -= 1;
                if weigh <= began {
                    weigh = began + WEIGH_EVERY;
                    weights.push(resident_kib()?);
                }
                let names: Vec<_> =
                    (*published..*published + each).map(|n| format!("h{n:08}")).collect();
                let world = Arc::clone(world);
                publishing.spawn(async move { world.publish(&names).await });
                *published += each;
                open.push_back((*published, began));
            }
            Some(done) = publishing.join_next() => done??,
            _ = look.tick() => {
                let (done, now) = (children(world).await?, Instant::now());
                while let Some((_, began)) = open.pop_front_if(|(number, _)| done >= *number) {
                    times.push(now.duration_since(began));
                }
            }
        }
        ensure!(open.len() < OPEN_MAX, "{rate:.0}/s are more than can be handled");
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    let growth = (length >= FLAT_AFTER).then(|| growth(&weights));
    Ok(Load { per_second: rate, p50: at(50), p99: at(99), growth })
}

/// Events whose outcome and child are durable.
async fn children(world: &World) -> Result<u64> {
    let [_, topic, _] = TOPICS;
    let bounds = world.parts.log.bounds(topic).await?.context("the topic is gone")?;
    Ok(bounds.iter().map(|bounds| bounds.next).sum())
}

/// How much more the second half weighs than the first, as a share of it. The first fifth is left
/// out: caches are filled there.
fn growth(weights: &[f64]) -> f64 {
    let settled = weights.get(weights.len() / 5..).unwrap_or_default();
    let (first, second) = settled.split_at(settled.len() / 2);
    let mean = |half: &[f64]| half.iter().sum::<f64>() / half.len().max(1) as f64;
    mean(second) / mean(first).max(1.0) - 1.0
}

/// The memory of this process.
fn resident_kib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("the system tells no memory")?.parse()?)
}
