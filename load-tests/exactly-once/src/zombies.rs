//! Two workers on one table of DynamoDB: one is stopped past its leases while the other goes on,
//! and now and then one is killed.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use headgate_idempotency::{
    DynamoDb, OsRandom, Random as _,
    dynamodb::{SHARDS, Settings},
};
use headgate_types::format_duration;
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::{
    Places,
    account::{Evidence, Told},
    events::{CHILDREN, Event},
    ledger::Ledger,
    process::{self, Heard, Said, Workers},
    report::Report,
};

/// Workers on the table.
const WORKERS: usize = 2;
/// Entries of the outbox that are read at once.
const OUTBOX: usize = 500;

/// How much goes wrong.
#[derive(Clone, Debug)]
pub struct Zombies {
    /// Where DynamoDB listens.
    pub endpoint: String,
    /// Partitions, each with a thread in both workers; a multiple of four.
    pub partitions: u32,
    /// Times that a worker is stopped for two leases.
    pub stops: u64,
    /// Of so many stops, one worker is killed on the way.
    pub stops_per_kill: u64,
    /// How long a claim holds.
    pub lease: Duration,
    /// How long an effect takes, so that a stop finds a worker in the midst of one.
    pub effect: Duration,
    /// The time after which all must be done.
    pub within: Duration,
    /// Of all that happens by chance.
    pub seed: u64,
}

/// Stops and kills workers that all have the same events, and settles the account.
///
/// # Errors
///
/// A process or the table can't be had, or a worker fails by itself or does not end. What is lost
/// or doubled stands in the report.
pub fn zombies(sizes: &Zombies, places: &Places) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = Settings::local(&sizes.endpoint, format!("zombies-{:016x}", OsRandom.bits()));
    let table = runtime.block_on(async {
        let table = DynamoDb::connect(settings.clone()).await?;
        table.create_table().await.map(|()| table)
    })?;
    let ledger = Ledger::start(places, sizes.effect)?;
    let partitions = sizes.partitions as usize;
    let mut run = Run {
        sizes,
        places,
        port: ledger.port,
        table: settings.table,
        workers: Workers::new(WORKERS),
        chance: fastrand::Rng::with_seed(sizes.seed),
        told: Told::default(),
        next: vec![vec![0; partitions]; WORKERS],
        ended: [false; WORKERS],
        kills: 0,
    };
    let began = Instant::now();
    run.all(began + sizes.within)?;
    let took = began.elapsed();
    let Run { told, next, kills, .. } = run;
    // Whoever came farther has settled everything up to there.
    let ends: Vec<u64> = (0..partitions)
        .map(|at| next.iter().filter_map(|worker| worker.get(at)).copied().max().unwrap_or(0))
        .collect();
    let events: Vec<_> = (0..sizes.partitions)
        .zip(&ends)
        .flat_map(|(partition, end)| (0..*end).map(move |number| Event { partition, number }))
        .collect();
    let mut evidence = Evidence {
        events,
        told,
        carried: ledger.end()?,
        children: BTreeMap::new(),
        records: BTreeMap::new(),
        states: Vec::new(),
        is_relayed: false,
    };
    runtime.block_on(async {
        drain(&table, &mut evidence.children).await?;
        evidence.read(&table, sizes.partitions).await
    })?;
    let mut verdict = evidence.judge();
    let held: u64 = verdict.rows.iter().map(|row| row.held).sum();
    let losses = (sizes.stops + kills) * u64::from(sizes.partitions);
    if held > losses {
        verdict.fault(format!("{held} held, and a worker was lost {losses} times at most"));
    }
    let keys = evidence.events.len() as u64;
    Ok(Report {
        scenario: "zombies",
        store: "DynamoDB Local",
        keys,
        deliveries: next.iter().flatten().sum(),
        kills,
        stops: sizes.stops,
        taken_over: evidence.told.taken_over,
        fenced: evidence.told.fenced,
        acknowledged: evidence.told.acknowledged.len() as u64,
        seconds: took.as_secs_f64(),
        verdict,
    })
}

/// Takes all children out of the outbox, as a relay would.
async fn drain(table: &DynamoDb, children: &mut BTreeMap<String, u32>) -> Result<()> {
    for shard in 0..SHARDS {
        loop {
            let entries = table.outbox(shard, OUTBOX).await?;
            if entries.is_empty() {
                break;
            }
            for entry in entries.iter().filter(|entry| entry.topic == CHILDREN) {
                let name = String::from_utf8(entry.payload.to_vec())?;
                *children.entry(name).or_default() += 1;
            }
            for entry in &entries {
                table.published(std::slice::from_ref(entry)).await?;
            }
        }
    }
    Ok(())
}

struct Run<'a> {
    sizes: &'a Zombies,
    places: &'a Places,
    port: u16,
    table: String,
    workers: Workers,
    chance: fastrand::Rng,
    told: Told,
    /// By worker and partition, the number of the event that is next.
    next: Vec<Vec<u64>>,
    ended: [bool; WORKERS],
    kills: u64,
}

impl Run<'_> {
    fn all(&mut self, until: Instant) -> Result<()> {
        for worker in 0..WORKERS {
            self.start(worker)?;
        }
        for stop in 1..=self.sizes.stops {
            ensure!(Instant::now() < until, "not done within {:?}", self.sizes.within);
            self.stop()?;
            if stop.is_multiple_of(self.sizes.stops_per_kill) {
                self.kill()?;
            }
        }
        for worker in 0..WORKERS {
            self.workers.enough(worker)?;
        }
        while self.ended.contains(&false) {
            let heard = self.workers.hear(until)?;
            self.note(heard.with_context(|| format!("no end in {:?}", self.sizes.within))?)?;
        }
        for worker in 0..WORKERS {
            ensure!(self.workers.reap(worker)?, "a worker has failed by itself");
        }
        Ok(())
    }

    /// Stops a worker at any point, for long enough to lose all that it holds.
    fn stop(&mut self) -> Result<()> {
        let worker = self.chance.usize(0..WORKERS);
        let before = self.sizes.lease.mul_f64(self.chance.f64());
        self.hear_for(before)?;
        self.workers.signal(worker, Signal::SIGSTOP)?;
        self.hear_for(self.sizes.lease * 2)?;
        self.workers.signal(worker, Signal::SIGCONT)
    }

    /// Kills a worker, and starts another one where this one was.
    fn kill(&mut self) -> Result<()> {
        let worker = self.chance.usize(0..WORKERS);
        let before = self.sizes.lease.mul_f64(self.chance.f64());
        self.hear_for(before)?;
        self.workers.signal(worker, Signal::SIGKILL)?;
        self.kills += 1;
        while !self.ended.get(worker).copied().unwrap_or(true) {
            let until = Instant::now() + self.sizes.within;
            let heard = self.workers.hear(until)?.context("a worker that was killed lives on")?;
            self.take(heard, Some(worker))?;
        }
        self.workers.reap(worker)?;
        self.start(worker)
    }

    fn start(&mut self, worker: usize) -> Result<()> {
        let from = self.next.get(worker).map(Vec::as_slice).unwrap_or_default();
        let from: Vec<_> = from.iter().map(ToString::to_string).collect();
        let mut command = process::part(self.places, "worker");
        command.args(["--ledger", &self.port.to_string()]);
        command.args(["--lease", &format_duration(self.sizes.lease)]);
        command.args(["--endpoint", &self.sizes.endpoint, "--table", &self.table]);
        command.args(["--from", &from.join(","), "--partitions"]);
        command.arg(self.sizes.partitions.to_string());
        self.workers.start(worker, &mut command)?;
        if let Some(ended) = self.ended.get_mut(worker) {
            *ended = false;
        }
        Ok(())
    }

    fn hear_for(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while let Some(heard) = self.workers.hear(until)? {
            self.take(heard, None)?;
        }
        Ok(())
    }

    fn note(&mut self, heard: Heard) -> Result<()> {
        match heard {
            Heard::Said(worker, said, name) => {
                let event = Event::named(&name)?;
                self.told.note(said, event);
                let next = self.next.get_mut(worker);
                let next = next.and_then(|next| next.get_mut(event.partition as usize));
                if let (Some(next), Said::Acknowledged | Said::Passed) = (next, said) {
                    *next = event.number + 1;
                }
            }
            Heard::Done => {}
            Heard::Ended(worker) => {
                if let Some(ended) = self.ended.get_mut(worker) {
                    *ended = true;
                }
            }
        }
        Ok(())
    }

    /// Notes what is heard. Nobody may end but who was killed.
    fn take(&mut self, heard: Heard, killed: Option<usize>) -> Result<()> {
        if let Heard::Ended(worker) = heard {
            ensure!(killed == Some(worker), "worker {worker} has failed by itself");
        }
        self.note(heard)
    }
}
