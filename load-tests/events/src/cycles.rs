//! How many events a second one process handles exactly once on the embedded engine.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use headgate_events::{Consumer, Deliver, consumer};
use headgate_idempotency::Decorated;
use tokio::time::{Instant, interval, sleep};

use crate::{
    handlers::{self, SCOPES, TOPICS},
    world::{Place, World},
};

/// Roots that are appended at once.
const BATCH: usize = 500;
/// Between two looks at how far the group is.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Events that are published at once at half load.
const TICK: Duration = Duration::from_millis(5);
/// Between two looks at how much memory there is.
const WEIGH_EVERY: Duration = Duration::from_secs(1);
/// Events a second that one process must handle.
const PER_SECOND_MIN: f64 = 8_000.0;
/// The longest that all but one in a hundred may take at half of the rate.
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
    /// How long half of the rate is kept up. Zero: not at all.
    pub half_load: Duration,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Events handled in a second, with everything that is recorded of them.
    pub per_second: f64,
    /// From append to settlement at half of that rate: the median.
    pub p50: Duration,
    /// And all but one in a hundred.
    pub p99: Duration,
    /// How much more memory there was in the second half of that, as a share of the first. None:
    /// it was too short to tell.
    pub growth: Option<f64>,
}

impl Rate {
    /// Whether it is fast enough, and memory stays what it is.
    pub fn holds(&self) -> bool {
        self.per_second >= PER_SECOND_MIN
            && self.p99 <= P99_MAX
            && self.growth.is_none_or(|growth| growth <= GROWTH_MAX)
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
        let world = World::open(&Place::embedded(folder.join("data"))).await?;
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
        let Half { p50, p99, growth } = half_load(&world, per_second / 2.0, sizes).await?;
        consumer.stop().await;
        Ok(Rate { per_second, p50, p99, growth })
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

/// What half of the rate showed.
struct Half {
    p50: Duration,
    p99: Duration,
    growth: Option<f64>,
}

/// Publishes at a rate, and takes the times until what was published is settled. A time begins when
/// its events were due, also where the ones before held them up.
async fn half_load(world: &World, rate: f64, sizes: &Cycles) -> Result<Half> {
    let (mut times, mut weights) = (Vec::new(), Vec::new());
    let mut weigh = Instant::now();
    let mut tick = interval(TICK);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundreds")]
    let each = (rate * TICK.as_secs_f64()).max(1.0) as u64;
    let ticks = sizes.half_load.as_millis() / TICK.as_millis();
    let mut published = sizes.events;
    let mut open: Vec<(u64, Instant)> = Vec::new();
    for _ in 0..ticks {
        let began = tick.tick().await;
        if weigh <= began {
            weigh = began + WEIGH_EVERY;
            weights.push(resident_kib()?);
        }
        let names: Vec<_> = (published..published + each).map(|n| format!("h{n:08}")).collect();
        world.publish(&names).await?;
        published += each;
        open.push((published, began));
        let settled = settled(world).await?;
        let now = Instant::now();
        open.retain(|(number, began)| {
            let is_settled = settled >= *number;
            if is_settled {
                times.push(now.duration_since(*began));
            }
            !is_settled
        });
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    let growth = (sizes.half_load >= FLAT_AFTER).then(|| growth(&weights));
    Ok(Half { p50: at(50), p99: at(99), growth })
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
