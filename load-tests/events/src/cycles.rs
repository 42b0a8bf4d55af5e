//! How many events a second one process handles exactly once on the embedded engine.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
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
        let place = Place {
            folder: Some(folder.join("data")),
            brokers: None,
            endpoint: None,
            table: String::new(),
            name: String::new(),
        };
        let world = World::open(&place).await?;
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
        let (p50, p99) = half_load(&world, per_second / 2.0, sizes).await?;
        consumer.stop().await;
        Ok(Rate { per_second, p50, p99 })
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

/// Publishes at a rate, and takes the times until what was published is settled.
async fn half_load(world: &World, rate: f64, sizes: &Cycles) -> Result<(Duration, Duration)> {
    let mut times = Vec::new();
    let mut tick = interval(TICK);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundreds")]
    let each = (rate * TICK.as_secs_f64()).max(1.0) as u64;
    let ticks = sizes.half_load.as_millis() / TICK.as_millis();
    let mut published = sizes.events;
    let mut open: Vec<(u64, Instant)> = Vec::new();
    for _ in 0..ticks {
        tick.tick().await;
        let names: Vec<_> = (published..published + each).map(|n| format!("h{n:08}")).collect();
        let began = Instant::now();
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
    Ok((at(50), at(99)))
}
