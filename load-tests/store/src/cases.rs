//! The cases and their bars.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;
use headgate_store::{
    Batch, Condition, Content, Done, Edit, Keep, Key, Operation, Settings, Store,
};
use headgate_types::UnixTime;
use tokio::time::Instant;

use crate::{Arguments, Row, loops, reopen, slow_store};

pub(crate) const TOPIC: &str = "events";
pub(crate) const PARTITIONS: u32 = 8;
const ENTRY: usize = 1_024;
const MILLISECOND: Duration = Duration::from_millis(1);
/// Old events that trimming removes a second.
const TRIMMED_PER_SECOND: u64 = 20_000;
/// What trimming may add to the 99th percentile.
const TRIM_COST: Duration = Duration::from_millis(10);

/// One case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Arguments) -> Result<Row>,
}

pub(crate) const CASES: [Case; 8] = [
    Case { name: "append, 64 producers", run: append_64 },
    Case { name: "append, 256 producers", run: append_256 },
    Case { name: "append, 64, sync 1 ms slower", run: append_64_slow },
    Case { name: "append, 256, sync 1 ms slower", run: append_256_slow },
    Case { name: "cycles, 256 in flight", run: cycles },
    Case { name: "cycles at 5000/s", run: cycles_paced },
    Case { name: "trim beside appends", run: trim },
    Case { name: "reopen after kill", run: reopen::run },
];

/// One event of 1 KiB.
pub(crate) fn append(number: u64) -> Batch {
    let mut payload = vec![7; ENTRY];
    payload.splice(..8, number.to_le_bytes());
    Batch::new().append(TOPIC, partition(number), UnixTime::from_secs(number), payload)
}

fn partition(number: u64) -> u32 {
    u32::try_from(number % u64::from(PARTITIONS)).unwrap_or_default()
}

/// What one exactly-once step commits: the record under its condition, one state write, one child
/// event, the offset.
fn cycle(number: u64) -> Batch {
    // Spread as hashes are.
    let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let expires = Some(UnixTime::from_secs(number));
    let record = vec![
        Edit::Set("st".to_owned(), "DONE".into()),
        Edit::Add { name: "fn".to_owned(), amount: 1, from: 1 },
        Edit::Value(vec![1; 100].into()),
        Edit::Expires(expires),
    ];
    let state = Content { value: vec![2; 200].into(), ..Content::default() };
    append(number)
        .update(Key::new("idempotency", key.to_vec()), record, Condition::Absent)
        .put(Key::new("state", key.to_vec()), state, Condition::Absent)
        .with(Operation::CommitOffset {
            group: "g".to_owned(),
            topic: TOPIC.to_owned(),
            partition: partition(number),
            offset: number,
        })
}

fn fresh(arguments: &Arguments) -> Result<(tempfile::TempDir, Store)> {
    let folder = tempfile::tempdir_in(&arguments.folder)?;
    let store = Store::open(folder.path(), &Settings::default())?;
    Ok((folder, store))
}

fn append_64(arguments: &Arguments) -> Result<Row> {
    let (_folder, store) = fresh(arguments)?;
    let sample = loops::closed(&store, 64, arguments.time, append)?;
    let met = sample.rate() >= 30_000.0 && sample.p99() <= Duration::from_millis(4);
    Ok(Row::of("append, 64 producers", &sample, "30000/s, p99 4 ms", met))
}

fn append_256(arguments: &Arguments) -> Result<Row> {
    let (_folder, store) = fresh(arguments)?;
    let sample = loops::closed(&store, 256, arguments.time, append)?;
    let met = sample.rate() >= 60_000.0;
    Ok(Row::of("append, 256 producers", &sample, "60000/s", met))
}

fn append_64_slow(arguments: &Arguments) -> Result<Row> {
    let folder = tempfile::tempdir_in(&arguments.folder)?;
    let store = slow_store(folder.path(), MILLISECOND)?;
    let sample = loops::closed(&store, 64, arguments.time, append)?;
    let met = sample.rate() >= 15_000.0;
    Ok(Row::of("append, 64, sync 1 ms slower", &sample, "15000/s", met))
}

fn append_256_slow(arguments: &Arguments) -> Result<Row> {
    let folder = tempfile::tempdir_in(&arguments.folder)?;
    let store = slow_store(folder.path(), MILLISECOND)?;
    let sample = loops::closed(&store, 256, arguments.time, append)?;
    let met = sample.rate() >= 35_000.0;
    Ok(Row::of("append, 256, sync 1 ms slower", &sample, "35000/s", met))
}

fn cycles(arguments: &Arguments) -> Result<Row> {
    let (_folder, store) = fresh(arguments)?;
    let sample = loops::closed(&store, 256, arguments.time, cycle)?;
    let met = sample.rate() >= 10_000.0;
    Ok(Row::of("cycles, 256 in flight", &sample, "10000/s", met))
}

fn cycles_paced(arguments: &Arguments) -> Result<Row> {
    let (_folder, store) = fresh(arguments)?;
    let sample = loops::paced(&store, 5_000, arguments.time, cycle)?;
    let met = sample.p99() <= Duration::from_millis(10);
    Ok(Row::of("cycles at 5000/s", &sample, "p99 10 ms", met))
}

/// Appends at 4,000 a second, alone and beside a thread that trims old events.
fn trim(arguments: &Arguments) -> Result<Row> {
    let (_folder, store) = fresh(arguments)?;
    // Enough old events for the whole time, and what was there stays when the rest goes.
    let seconds = arguments.time.as_secs() + 2;
    loops::closed(&store, 256, arguments.time, append)?;
    while store.stats().acknowledged < seconds * TRIMMED_PER_SECOND {
        loops::closed(&store, 256, Duration::from_secs(1), append)?;
    }
    let alone = loops::paced(&store, 4_000, arguments.time, append)?;
    let (stop, trimmed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let trimmer = {
        let (store, stop, trimmed) = (store.clone(), Arc::clone(&stop), Arc::clone(&trimmed));
        thread::spawn(move || trim_until(&store, &stop, &trimmed))
    };
    let start = Instant::now();
    let beside = loops::paced(&store, 4_000, arguments.time, append)?;
    let rate = trimmed.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    trimmer.join().map_err(|_| anyhow::anyhow!("the trimmer panicked"))??;
    let cost = beside.p99().saturating_sub(alone.p99());
    let (alone, beside_p99) = (alone.p99(), beside.p99());
    let found = format!("{rate:.0} trimmed/s, live p99 {alone:.2?} alone, {beside_p99:.2?} beside");
    let met = cost <= TRIM_COST && rate >= 0.95 * TRIMMED_PER_SECOND as f64;
    Ok(Row { name: "trim beside appends", found, bar: "20000/s, 10 ms", met })
}

fn trim_until(store: &Store, stop: &AtomicBool, trimmed: &AtomicU64) -> Result<()> {
    let (start, mut partition) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        let total = trimmed.load(Ordering::Relaxed);
        if total as f64 > start.elapsed().as_secs_f64() * TRIMMED_PER_SECOND as f64 {
            thread::sleep(MILLISECOND);
            continue;
        }
        partition = (partition + 1) % PARTITIONS;
        let keep = Keep { bytes: Some(0), ..Keep::default() };
        let ack = store.submit(Batch::trim(TOPIC, partition, keep))?.wait()?;
        if let [Done::Removed { rows, .. }] = ack.done.as_slice() {
            trimmed.fetch_add(*rows as u64, Ordering::Relaxed);
        }
    }
    Ok(())
}
