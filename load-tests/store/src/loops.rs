//! Producers on one thread: in a closed loop, each with one batch under way, or at a rate.

use std::{cell::RefCell, fmt, future::Future, rc::Rc, time::Duration};

use anyhow::{Context, Result};
use headgate_store::{Batch, Store};
use tokio::{
    runtime::Builder,
    task::LocalSet,
    time::{Instant, MissedTickBehavior, interval},
};

/// Latencies in the order in which they ended.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn push(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// The latency that a share of all stays below, in per mille.
    pub(crate) fn quantile(&self, per_mille: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * per_mille / 1_000).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |per_mille| self.quantile(per_mille).as_secs_f64() * 1_000.0;
        let (p50, p99, p999, max) = (ms(500), ms(990), ms(999), ms(1_000));
        write!(f, "p50 {p50:.2} p99 {p99:.2} p99.9 {p999:.2} max {max:.1} ms")
    }
}

/// What a loop came to.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) latencies: Latencies,
    time: Duration,
    /// Batches that one commit made durable, on average.
    group: f64,
    file_bytes: u64,
    /// Processor time of the whole process, producers included; tells more than the rate when
    /// others use the machine.
    processor: Duration,
}

impl Sample {
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    pub(crate) fn p99(&self) -> Duration {
        self.latencies.quantile(990)
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, mib) = (self.rate(), self.file_bytes >> 20);
        let processor = self.processor.as_secs_f64() / self.latencies.len() as f64 * 100_000.0;
        write!(f, "{rate:>7.0}/s {} ", self.latencies)?;
        write!(f, "group {:.0} cpu {processor:.1} s/100k file {mib} MiB", self.group)
    }
}

/// Runs producers that each submit the next batch when the last is acknowledged.
pub(crate) fn closed(
    store: &Store,
    producers: u64,
    time: Duration,
    batch: impl Fn(u64) -> Batch + 'static,
) -> Result<Sample> {
    measure(store, move |store, latencies| async move {
        let numbers = Rc::new(RefCell::new(0_u64));
        let batch = Rc::new(batch);
        let end = Instant::now() + time;
        let tasks: Vec<_> = (0..producers)
            .map(|_| {
                let (store, numbers, batch) =
                    (store.clone(), Rc::clone(&numbers), Rc::clone(&batch));
                let latencies = Rc::clone(&latencies);
                tokio::task::spawn_local(async move {
                    while Instant::now() < end {
                        let number = numbers.replace_with(|number| *number + 1);
                        let start = Instant::now();
                        store.commit(batch(number)).await?;
                        latencies.borrow_mut().push(start.elapsed());
                    }
                    Ok::<_, headgate_store::Error>(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        Ok(())
    })
}

/// Submits so many batches a second, however long they take; a latency counts from when its batch
/// was due.
pub(crate) fn paced(
    store: &Store,
    per_second: u64,
    time: Duration,
    batch: impl Fn(u64) -> Batch + 'static,
) -> Result<Sample> {
    measure(store, move |store, latencies| async move {
        let mut ticks = interval(Duration::from_millis(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (end, mut number, mut tasks) = (Instant::now() + time, 0, Vec::new());
        while Instant::now() < end {
            let due = ticks.tick().await;
            for _ in 0..per_second / 1_000 {
                let (store, latencies, batch) =
                    (store.clone(), Rc::clone(&latencies), batch(number));
                number += 1;
                tasks.push(tokio::task::spawn_local(async move {
                    store.commit(batch).await?;
                    latencies.borrow_mut().push(due.elapsed());
                    Ok::<_, headgate_store::Error>(())
                }));
            }
        }
        for task in tasks {
            task.await??;
        }
        Ok(())
    })
}

fn measure<F: Future<Output = Result<()>>>(
    store: &Store,
    run: impl FnOnce(Store, Rc<RefCell<Latencies>>) -> F,
) -> Result<Sample> {
    let latencies = Rc::new(RefCell::new(Latencies::default()));
    let (before, start, busy) = (store.stats(), Instant::now(), processor()?);
    let runtime = Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(LocalSet::new().run_until(run(store.clone(), Rc::clone(&latencies))))?;
    let (after, time) = (store.stats(), start.elapsed());
    let groups = (after.groups - before.groups).max(1) as f64;
    let group = (after.acknowledged - before.acknowledged) as f64 / groups;
    let file_bytes = store.size()?.file_bytes;
    let processor = processor()?.saturating_sub(busy);
    Ok(Sample { latencies: latencies.take(), time, group, file_bytes, processor })
}

/// Processor time that this process has used, in the kernel too: `proc(5)`, in hundredths of a
/// second.
fn processor() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("a process's name")?;
    let used = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let used: u64 = used.sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(used * 10))
}
