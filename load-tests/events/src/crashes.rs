//! Workers that are killed, and a broker that is, until everything is done.

use std::{
    fmt,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use headgate_events::kafka::OwnKafka;
use headgate_idempotency::testing::DynamoDbLocal;
use tokio::time::{Instant, sleep};

use crate::{
    account::{self, Verdict},
    worker::READY,
    world::{Place, World},
};

/// Roots that are appended at once.
const BATCH: usize = 500;
/// Of ten roots, how many are appended twice.
const TWICE_OF_TEN: u32 = 3;

/// What the workers stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// One worker on the embedded engine.
    Embedded,
    /// Three workers on Kafka and `DynamoDB` Local.
    Kafka,
}

/// How much there is to do, and how often it goes wrong.
#[derive(Clone, Debug)]
pub struct Crashes {
    /// What the workers stand on.
    pub on: On,
    /// Different roots; three in ten come twice. Each has a child, and a child's child.
    pub keys: u64,
    /// Between two kills of a worker.
    pub kill_every: Duration,
    /// Between two kills of the broker. None: it lives.
    pub break_every: Option<Duration>,
    /// The time after which the work must be done.
    pub within: Duration,
    /// The program whose parts are started.
    pub program: PathBuf,
    /// An empty folder: the disk that is used.
    pub folder: PathBuf,
    /// Of all that happens by chance.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    on: On,
    keys: u64,
    deliveries: u64,
    kills: u64,
    breaks: u64,
    seconds: f64,
    verdict: Verdict,
}

impl Report {
    /// Whether nothing is lost and nothing doubled.
    pub fn holds(&self) -> bool {
        self.verdict.holds()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { on, keys, deliveries, kills, breaks, seconds, verdict } = self;
        let Verdict { lost, doubled, faults, copies } = verdict;
        writeln!(
            f,
            "crashes on {on:?}: {keys} keys, {deliveries} roots, {kills} workers and {breaks} \
             brokers killed in {seconds:.0} s: {lost} lost, {doubled} doubled, {copies} copies in \
             the log, {} faults",
            faults.len()
        )?;
        faults.iter().try_for_each(|fault| writeln!(f, "- {fault}"))
    }
}

/// Publishes roots, kills whoever handles them, and settles the account.
///
/// # Errors
///
/// A process can't be started, or the work is not done in time. What is lost or doubled stands in
/// the report.
pub fn crashes(sizes: &Crashes) -> Result<Report> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut broker = match sizes.on {
        On::Embedded => None,
        On::Kafka => Some(OwnKafka::start(&sizes.folder).context("Kafka is left out")?),
    };
    let place = place(sizes, broker.as_ref())?;
    let mut chance = fastrand::Rng::with_seed(sizes.seed);
    let names: Vec<_> = (0..sizes.keys).map(|number| format!("k{number:07}")).collect();
    let deliveries = runtime.block_on(publish(&place, &names, &mut chance))?;
    let began = Instant::now();
    let mut run = Run { sizes, place: &place, workers: Vec::new(), kills: 0, breaks: 0, chance };
    runtime.block_on(run.until_done(broker.as_mut()))?;
    let seconds = began.elapsed().as_secs_f64();
    let (kills, breaks) = (run.kills, run.breaks);
    drop(run);
    let verdict = runtime.block_on(async {
        let world = World::open(&place).await?;
        account::judge(&world, &names).await
    })?;
    let Crashes { on, keys, .. } = *sizes;
    Ok(Report { on, keys, deliveries, kills, breaks, seconds, verdict })
}

fn place(sizes: &Crashes, broker: Option<&OwnKafka>) -> Result<Place> {
    let mut place = Place {
        folder: None,
        brokers: None,
        endpoint: None,
        table: format!("load{:08x}", sizes.seed),
        name: "looker".to_owned(),
    };
    if let Some(broker) = broker {
        let local = DynamoDbLocal::shared().context("DynamoDB Local is left out")?;
        place.brokers = Some(broker.brokers().to_owned());
        place.endpoint = Some(local.endpoint().to_owned());
    } else {
        place.folder = Some(sizes.folder.join("data"));
    }
    Ok(place)
}

async fn publish(place: &Place, names: &[String], chance: &mut fastrand::Rng) -> Result<u64> {
    let mut world = World::open(place).await?;
    world.prepare().await?;
    // Makes topics and groups, so that nobody waits for them later.
    let consumers = world.start().await?;
    world.stop(consumers).await;
    let twice = names.iter().filter(|_| chance.u32(0..10) < TWICE_OF_TEN);
    let mut roots: Vec<_> = names.iter().chain(twice).cloned().collect();
    chance.shuffle(&mut roots);
    for batch in roots.chunks(BATCH) {
        world.publish(batch).await?;
    }
    Ok(roots.len() as u64)
}

struct Run<'a> {
    sizes: &'a Crashes,
    place: &'a Place,
    workers: Vec<Worker>,
    kills: u64,
    breaks: u64,
    chance: fastrand::Rng,
}

impl Run<'_> {
    async fn until_done(&mut self, mut broker: Option<&mut OwnKafka>) -> Result<()> {
        let began = Instant::now();
        let workers = if broker.is_some() { 3 } else { 1 };
        for number in 0..workers {
            self.workers.push(Worker::start(self.sizes, self.place, number)?);
        }
        let mut breaks_at = self.sizes.break_every.map(|every| began + every);
        loop {
            ensure!(began.elapsed() < self.sizes.within, "not done in {:?}", self.sizes.within);
            sleep(self.sizes.kill_every).await;
            if let (Some(broker), Some(at)) = (broker.as_deref_mut(), breaks_at)
                && Instant::now() >= at
            {
                broker.kill();
                broker.restart();
                self.breaks += 1;
                breaks_at = self.sizes.break_every.map(|every| Instant::now() + every);
            }
            if self.is_done().await? {
                return Ok(());
            }
            self.kill_one()?;
        }
    }

    /// Whether all is done. The embedded engine is one process's, so there its worker pauses.
    async fn is_done(&mut self) -> Result<bool> {
        if self.place.folder.is_some() {
            self.workers.clear();
        }
        let world = World::open(self.place).await?;
        let is_done = account::is_done(&world).await.unwrap_or(false);
        drop(world);
        if self.place.folder.is_some() && !is_done {
            self.kills += 1;
            self.workers.push(Worker::start(self.sizes, self.place, 0)?);
        }
        Ok(is_done)
    }

    fn kill_one(&mut self) -> Result<()> {
        if self.place.folder.is_some() || self.workers.is_empty() {
            return Ok(());
        }
        let number = self.chance.usize(0..self.workers.len());
        drop(self.workers.remove(number));
        self.kills += 1;
        let worker = Worker::start(self.sizes, self.place, number)?;
        self.workers.insert(number, worker);
        Ok(())
    }
}

/// A worker process, killed when it is dropped.
struct Worker(Child);

impl Worker {
    fn start(sizes: &Crashes, place: &Place, number: usize) -> Result<Self> {
        let mut command = Command::new(&sizes.program);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped());
        command.args(["--name", &format!("w{number}"), "--table", &place.table]);
        let folder = place.folder.as_deref().map(Path::as_os_str);
        let given = [
            ("--folder", folder),
            ("--brokers", place.brokers.as_ref().map(AsRef::as_ref)),
            ("--endpoint", place.endpoint.as_ref().map(AsRef::as_ref)),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                command.arg(name).arg(value);
            }
        }
        let mut child = command.spawn().context("can't start a worker")?;
        let output = child.stdout.take().context("a worker's output is a pipe")?;
        let worker = Self(child);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.trim() == READY, "a worker does not start");
        Ok(worker)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}
