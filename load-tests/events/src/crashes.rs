//! Workers that are killed, stopped and cut off, and a broker that is killed, until everything is
//! done.

use std::{
    path::PathBuf,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use headgate_events::kafka::OwnKafka;
use headgate_idempotency::testing::DynamoDbLocal;
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    account::{self, Left},
    process::Worker,
    report::Report,
    troubles::{Troubles, Ways},
    worker::Handled,
    world::{Place, World},
};

/// Roots that are appended at once.
const BATCH: usize = 500;
/// Between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a look may take: while the broker is away it would wait for it.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// Time after which something goes wrong although nothing was done since the last time.
const STUCK: Duration = Duration::from_secs(20);
/// How often a worker is started that does not come up.
const STARTS_MAX: u32 = 5;
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
    /// Different roots; three in ten come twice. Each has a child, and a child's child. As many
    /// again are published as often as everything is done before each that is to go wrong has gone
    /// wrong once.
    pub keys: u64,
    /// Between two kills of a worker. None: they live.
    pub kill_every: Option<Duration>,
    /// Between two kills of the broker. None: it lives.
    pub break_every: Option<Duration>,
    /// Kills of the broker at most. None: as many as there are.
    pub breaks_max: Option<u64>,
    /// Between two troubles on the workers' way to the broker and to the table; each has one of the
    /// two or both cut, slowed down or reset. None: there is none.
    pub cut_every: Option<Duration>,
    /// Between two times that a worker leaves in good order and another one joins. None: they stay.
    pub leave_every: Option<Duration>,
    /// Between two stops of a worker, each for two of its sessions with the broker. None: there is
    /// none.
    pub stop_every: Option<Duration>,
    /// The time after which the work must be done.
    pub within: Duration,
    /// The program whose parts are started.
    pub program: PathBuf,
    /// An empty folder: the disk that is used.
    pub folder: PathBuf,
    /// Of all that happens by chance.
    pub seed: u64,
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
    let (broker, ways) = match sizes.on {
        On::Embedded => (None, None),
        On::Kafka => {
            let (broker, ways) = runtime.block_on(Ways::with_broker(&sizes.folder))?;
            (Some(broker), Some(ways))
        }
    };
    let place = place(sizes, broker.as_ref())?;
    let of_workers = ways.as_ref().map_or_else(|| place.clone(), |ways| ways.place(&place));
    let mut run = Run {
        sizes,
        place: &place,
        of_workers,
        workers: Vec::new(),
        broker: broker.map(Broker::Running),
        ways,
        names: Vec::new(),
        deliveries: 0,
        kills: 0,
        breaks: 0,
        leaves: 0,
        handled: Handled::default(),
        troubles: Troubles::default(),
        chance: fastrand::Rng::with_seed(sizes.seed),
    };
    runtime.block_on(run.publish())?;
    let began = Instant::now();
    runtime.block_on(run.until_done())?;
    let seconds = began.elapsed().as_secs_f64();
    run.dismiss()?;
    let Run { names, deliveries, kills, breaks, leaves, handled, troubles, .. } = run;
    let verdict = runtime.block_on(async {
        let world = World::open(&place).await?;
        account::judge(&world, &names).await
    })?;
    let (on, keys) = (sizes.on, names.len() as u64);
    let report =
        Report { on, keys, deliveries, kills, breaks, leaves, handled, troubles, seconds, verdict };
    Ok(report)
}

fn place(sizes: &Crashes, broker: Option<&OwnKafka>) -> Result<Place> {
    let mut place = Place {
        folder: None,
        brokers: None,
        endpoint: None,
        // One of its own: `DynamoDB` Local is shared by all runs of a process, and what another one
        // has recorded would be settled here without an effect and without a child.
        table: format!("load{:016x}", fastrand::u64(..)),
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

struct Run<'a> {
    sizes: &'a Crashes,
    place: &'a Place,
    /// The same as workers see it.
    of_workers: Place,
    workers: Vec<Worker>,
    broker: Option<Broker>,
    ways: Option<Ways>,
    /// Of the roots that are published.
    names: Vec<String>,
    /// Roots that are published, with those that came twice.
    deliveries: u64,
    kills: u64,
    breaks: u64,
    leaves: u64,
    /// What those that have left did.
    handled: Handled,
    troubles: Troubles,
    chance: fastrand::Rng,
}

/// The broker: it runs, or is being started again by a thread.
enum Broker {
    Running(OwnKafka),
    Starting(JoinHandle<OwnKafka>),
}

/// What goes wrong again and again: not before a time has passed, nor before anything has been done
/// since the last time, so that a slow machine comes to an end too.
struct Calamity {
    every: Option<Duration>,
    last: Instant,
    left: Option<Left>,
    has_come: bool,
}

impl Calamity {
    fn new(every: Option<Duration>) -> Self {
        Self { every, last: Instant::now(), left: None, has_come: false }
    }

    fn is_due(&self, left: Option<&Left>) -> bool {
        let is_over = |every: &Duration| self.last.elapsed() >= *every;
        let is_stuck = self.last.elapsed() >= STUCK;
        let has_changed = self.left.as_ref() != left;
        self.every.as_ref().is_some_and(is_over) && (has_changed || is_stuck)
    }

    fn happened(&mut self, left: Option<Left>) {
        (self.last, self.left, self.has_come) = (Instant::now(), left, true);
    }

    /// Whether it is asked for and has not come once.
    fn is_to_come(&self) -> bool {
        self.every.is_some() && !self.has_come
    }
}

impl Run<'_> {
    /// Appends as many roots as are asked for, some of them twice.
    async fn publish(&mut self) -> Result<()> {
        let world = World::open(self.place).await?;
        if self.names.is_empty() {
            world.prepare().await?;
        }
        let first = self.names.len() as u64;
        let names: Vec<_> =
            (first..first + self.sizes.keys).map(|number| format!("k{number:07}")).collect();
        let twice = names.iter().filter(|_| self.chance.u32(0..10) < TWICE_OF_TEN);
        let mut roots: Vec<_> = names.iter().chain(twice).cloned().collect();
        self.chance.shuffle(&mut roots);
        for batch in roots.chunks(BATCH) {
            world.publish(batch).await?;
        }
        self.deliveries += roots.len() as u64;
        self.names.extend(names);
        Ok(())
    }

    async fn until_done(&mut self) -> Result<()> {
        let began = Instant::now();
        let workers = match self.sizes.on {
            On::Embedded => 1,
            On::Kafka if self.sizes.leave_every.is_some() => 5,
            On::Kafka => 3,
        };
        for number in 0..workers {
            self.workers.push(self.worker(number)?);
        }
        let looker = match self.broker {
            Some(_) => Some(World::open(self.place).await?),
            None => None,
        };
        let (mut kills, mut breaks) =
            (Calamity::new(self.sizes.kill_every), Calamity::new(self.sizes.break_every));
        let (mut cuts, mut stops) =
            (Calamity::new(self.sizes.cut_every), Calamity::new(self.sizes.stop_every));
        let mut leaves = Calamity::new(self.sizes.leave_every);
        loop {
            sleep(LOOK_EVERY).await;
            let left = match &looker {
                Some(world) => timeout(LOOK_WITHIN, account::left(world)).await.ok(),
                // The engine is one process's, so its worker pauses.
                None if kills.is_due(Some(&Left::default())) => Some(self.left_embedded().await),
                None => continue,
            };
            // Nothing is to be seen while the broker is away.
            let left = left.and_then(Result::ok);
            if left.as_ref().is_some_and(Left::is_nothing) {
                // A fast machine may be done before anything has gone wrong.
                if ![&kills, &breaks, &cuts, &stops, &leaves].into_iter().any(Calamity::is_to_come)
                {
                    return Ok(());
                }
                self.publish().await?;
            }
            self.troubles.saw(left.as_ref());
            if let Some(number) = self.troubles.over(self.ways.as_ref(), left.as_ref()) {
                self.signal(number, Signal::SIGCONT)?;
            }
            if self.troubles.are_none() && cuts.is_due(left.as_ref()) {
                if let Some(ways) = &self.ways {
                    self.troubles.begin(ways, &mut self.chance);
                }
                cuts.happened(left.clone());
            }
            if self.troubles.are_none() && stops.is_due(left.as_ref()) {
                let number = self.chance.usize(0..self.workers.len().max(1));
                self.signal(number, Signal::SIGSTOP)?;
                self.troubles.stopped(number);
                stops.happened(left.clone());
            }
            let within = self.sizes.within;
            ensure!(began.elapsed() < within, "not done in {within:?}: {left:?} is left");
            if kills.is_due(left.as_ref()) {
                self.kill_one()?;
                kills.happened(left.clone());
            }
            if leaves.is_due(left.as_ref()) {
                self.replace_one().await?;
                leaves.happened(left.clone());
            }
            if self.is_broker_up() && breaks.is_due(left.as_ref()) && self.may_break() {
                self.break_broker();
                breaks.happened(left);
            }
        }
    }

    fn signal(&self, number: usize, signal: Signal) -> Result<()> {
        self.workers.get(number).context("the worker runs")?.signal(signal)
    }

    /// A member of the groups that is known by its name after a kill, or one that nobody knows.
    fn worker(&self, number: usize) -> Result<Worker> {
        let stays = self.sizes.leave_every.is_none();
        let name = if stays { format!("w{number}") } else { String::new() };
        let start = || Worker::start(&self.sizes.program, &self.of_workers, &name);
        // One that meets a broker which is away gives up, and whoever supervises it tries again.
        (1..STARTS_MAX).find_map(|_| start().ok()).map_or_else(start, Ok)
    }

    /// Ends all workers.
    fn dismiss(&mut self) -> Result<()> {
        let tell = self.sizes.leave_every.is_some();
        for worker in self.workers.drain(..).filter(|_| tell) {
            self.handled += worker.leave()?;
        }
        Ok(())
    }

    /// Has a worker leave in good order, and another one join.
    async fn replace_one(&mut self) -> Result<()> {
        let number = self.chance.usize(0..self.workers.len().max(1));
        let worker = self.workers.swap_remove(number);
        self.handled += tokio::task::spawn_blocking(move || worker.leave()).await??;
        self.leaves += 1;
        self.workers.push(self.worker(number)?);
        Ok(())
    }

    fn may_break(&self) -> bool {
        self.sizes.breaks_max.is_none_or(|most| self.breaks < most)
    }

    /// Takes the broker back from the thread that has started it.
    fn is_broker_up(&mut self) -> bool {
        let is_finished = |it: &mut Broker| match it {
            Broker::Starting(starting) => starting.is_finished(),
            Broker::Running(_) => false,
        };
        if let Some(Broker::Starting(starting)) = self.broker.take_if(is_finished) {
            self.broker = starting.join().ok().map(Broker::Running);
        }
        matches!(self.broker, Some(Broker::Running(_)))
    }

    /// Kills the broker, and lets a thread start it again.
    fn break_broker(&mut self) {
        let Some(Broker::Running(mut broker)) = self.broker.take() else { return };
        broker.kill();
        self.breaks += 1;
        self.broker = Some(Broker::Starting(thread::spawn(move || {
            broker.restart();
            broker
        })));
    }

    async fn left_embedded(&mut self) -> Result<Left> {
        self.workers.clear();
        account::left(&World::open(self.place).await?).await
    }

    fn kill_one(&mut self) -> Result<()> {
        let number = self.chance.usize(0..self.workers.len().max(1));
        if number < self.workers.len() {
            drop(self.workers.remove(number));
        }
        self.kills += 1;
        let worker = self.worker(number)?;
        self.workers.insert(number, worker);
        Ok(())
    }
}
