//! One worker on the embedded store, killed again and again until its work is done.

use std::{ops::Range, time::Duration};

use anyhow::{Result, ensure};
use headgate_store::{Settings, Store};
use headgate_types::format_duration;
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::{
    Places,
    account::{Evidence, Told},
    events::{self, CHILDREN, EVENTS, Event, WORKERS},
    ledger::Ledger,
    process::{self, Heard, Said, Workers},
    report::Report,
    worker::RELAYS,
};

/// The one worker.
const WORKER: usize = 0;
/// A worker that was stopped says so many lines more at most before it is killed.
const AFTER_STOP_MAX: u64 = 50;

/// How much there is to do, and how often it goes wrong.
#[derive(Clone, Debug)]
pub struct Crashes {
    /// Different events, in equal parts for each mode.
    pub keys: u64,
    /// Partitions, each with a thread; a multiple of four.
    pub partitions: u32,
    /// Kills that there must be at least. So many acknowledgements that this comes about are left
    /// to a life at most.
    pub kills_min: u64,
    /// How long a life lasts at most, by chance within these bounds.
    pub life: Range<Duration>,
    /// How long a claim holds. Every other life is stopped for up to two of them.
    pub lease: Duration,
    /// The time after which the work must be done.
    pub within: Duration,
    /// Of all that happens by chance.
    pub seed: u64,
}

/// Publishes events, kills whoever handles them, and settles the account.
///
/// # Errors
///
/// A process can't be started, fails by itself, or is not done in time. What is lost or doubled
/// stands in the report.
pub fn crashes(sizes: &Crashes, places: &Places) -> Result<Report> {
    let data = places.folder.join("data");
    let mut chance = fastrand::Rng::with_seed(sizes.seed);
    let store = Store::open(&data, &Settings::default())?;
    let deliveries = events::publish(&store, (sizes.keys, sizes.partitions), &mut chance)?;
    drop(store);
    let ledger = Ledger::start(places, Duration::ZERO)?;
    let mut run = Run {
        sizes,
        workers: Workers::new(1),
        chance,
        told: Told::default(),
        kills: 0,
        stops: 0,
        is_done: false,
    };
    let began = Instant::now();
    while !run.is_done {
        ensure!(began.elapsed() < sizes.within, "not done within {:?}", sizes.within);
        let mut command = process::part(places, "worker");
        command.args(["--ledger", &ledger.port.to_string()]);
        command.args(["--lease", &format_duration(sizes.lease)]).arg("--folder").arg(&data);
        command.args(["--partitions", &sizes.partitions.to_string()]);
        run.workers.start(WORKER, &mut command)?;
        run.live()?;
    }
    let took = began.elapsed();
    let Run { told, kills, stops, .. } = run;
    let carried = ledger.end()?;
    let store = Store::open(&data, &Settings::default())?;
    let mut evidence = Evidence {
        events: all(sizes),
        told,
        carried,
        children: std::collections::BTreeMap::new(),
        records: std::collections::BTreeMap::new(),
        states: Vec::new(),
        is_relayed: true,
    };
    read_children(&store, sizes.partitions, &mut evidence)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(evidence.read(&store, sizes.partitions))?;
    let mut verdict = evidence.judge();
    if kills < sizes.kills_min {
        verdict.fault(format!("{kills} kills, and at least {} are asked for", sizes.kills_min));
    }
    offsets(&store, sizes.partitions, &mut verdict)?;
    Ok(Report {
        scenario: "crashes",
        store: "embedded",
        keys: sizes.keys,
        deliveries,
        kills,
        stops,
        taken_over: evidence.told.taken_over,
        fenced: evidence.told.fenced,
        acknowledged: evidence.told.acknowledged.len() as u64,
        seconds: took.as_secs_f64(),
        verdict,
    })
}

fn all(sizes: &Crashes) -> Vec<Event> {
    (0..sizes.partitions)
        .flat_map(|partition| {
            let of_this =
                (u64::from(partition)..sizes.keys).step_by(sizes.partitions as usize).count();
            (0..of_this as u64).map(move |number| Event { partition, number })
        })
        .collect()
}

fn read_children(store: &Store, partitions: u32, evidence: &mut Evidence) -> Result<()> {
    for partition in 0..partitions {
        let mut offset = 0;
        loop {
            let entries = store.read(CHILDREN, partition, offset, usize::MAX)?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                let name = String::from_utf8(entry.payload.to_vec())?;
                *evidence.children.entry(name).or_default() += 1;
            }
            offset += entries.len() as u64;
        }
    }
    Ok(())
}

/// Every event was passed, and every child that is relayed too.
fn offsets(store: &Store, partitions: u32, verdict: &mut crate::Verdict) -> Result<()> {
    for partition in 0..partitions {
        for (group, topic) in [(WORKERS, EVENTS), (RELAYS, CHILDREN)] {
            let offset = store.offset(group, topic, partition)?;
            let end = store.log(topic, partition)?.map(|bounds| bounds.end);
            let is_relayed = offset.is_some() || group == WORKERS;
            if is_relayed && offset != end {
                verdict.fault(format!("{group} stand at {offset:?} of {end:?} in {partition}"));
            }
        }
    }
    Ok(())
}

struct Run<'a> {
    sizes: &'a Crashes,
    workers: Workers,
    chance: fastrand::Rng,
    told: Told,
    kills: u64,
    stops: u64,
    is_done: bool,
}

impl Run<'_> {
    /// A life of the worker, up to its death or to the end of its work.
    fn live(&mut self) -> Result<()> {
        let Range { start, end } = self.sizes.life;
        let life = start + end.saturating_sub(start).mul_f64(self.chance.f64());
        // Less than its share even at most, so that there are kills to spare on a fast machine.
        let quota = self.chance.u64(1..=(self.sizes.keys * 2 / 3 / self.sizes.kills_min).max(1));
        let mut is_running = self.hear(quota, Instant::now() + life)?;
        if is_running && self.chance.bool() {
            self.stops += 1;
            self.workers.signal(WORKER, Signal::SIGSTOP)?;
            // This is the fault itself, and no wait for anything.
            std::thread::sleep(self.sizes.lease.mul_f64(self.chance.f64() * 2.0));
            self.workers.signal(WORKER, Signal::SIGCONT)?;
            let more = self.chance.u64(1..=AFTER_STOP_MAX);
            is_running = self.hear(more, Instant::now() + self.sizes.lease)?;
        }
        if is_running {
            self.kills += 1;
            self.workers.signal(WORKER, Signal::SIGKILL)?;
            // What it had said is heard to the end.
            self.hear(u64::MAX, Instant::now() + self.sizes.within)?;
        }
        let is_well = self.workers.reap(WORKER)?;
        ensure!(is_running || (is_well && self.is_done), "the worker has failed by itself");
        Ok(())
    }

    /// Hears so many acknowledgements, or until then. False: the worker's output has ended.
    fn hear(&mut self, acknowledged: u64, until: Instant) -> Result<bool> {
        let mut left = acknowledged;
        while left > 0 {
            match self.workers.hear(until)? {
                Some(Heard::Said(_, said, name)) => {
                    left -= u64::from(said == Said::Acknowledged);
                    self.told.note(said, Event::named(&name)?);
                }
                Some(Heard::Done) => self.is_done = true,
                Some(Heard::Ended(_)) => return Ok(false),
                None => return Ok(true),
            }
        }
        Ok(true)
    }
}
