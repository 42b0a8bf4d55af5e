//! One run: the workers, what happens to them, and the account at the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    bug::{Bug, Mutant},
    clock::SimClock,
    event::{Event, LEASE, Ledger, Mode, QUEUE, STATE},
    ice::{Freezing, Ice},
    network::Network,
    witness::Witness,
    worker::{DEAD_LETTERS, Delivery, Settled, Source, Worker, count},
};
use crate::{Records, Settings, record::State, testing::SeededRandom};

const WORKERS: usize = 3;
const EVENTS: usize = 24;
/// Events that are in the log twice.
const DUPLICATES: usize = 8;
const CALAMITIES: usize = 60;
/// How long everything may take once nothing goes wrong any more: what a clock that is ahead put off
/// is due by one that is behind twenty minutes later.
const CALM: Duration = Duration::from_mins(30);
/// How much too fast or too slow a clock runs at most.
const DRIFT: f64 = 0.01;
/// A clock that is ten minutes wrong.
const FAR_OFF: i64 = 600_000;

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimReport {
    /// How the handlers worked.
    pub mode: Mode,
    /// Batches that were written.
    pub steps: usize,
    /// Times that a worker was stopped.
    pub stops: u32,
    /// Workers that were lost while they held a key, and whose key was taken over.
    pub losses: u32,
    /// Effects outside that were repeated, which only an unkeyed effect that is retried may be.
    pub repeated: u32,
    /// Keys that were held because nobody knows whether their effect happened.
    pub held: u32,
    /// Keys that were given up.
    pub parked: u32,
    /// A hash of all that was written, in order.
    pub history: [u8; 32],
}

/// Runs a seed, with a bug or without.
///
/// # Errors
///
/// Seed, mode, step and what was found.
///
/// # Panics
///
/// When the runtime can't be built.
pub fn simulate(seed: u64, bug: Option<Bug>) -> Result<SimReport, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs nothing that can be missing");
    let mode = Mode::ALL[usize::try_from(seed % 4).unwrap_or_default()];
    runtime.block_on(async {
        let run = Run::new(seed, mode, bug);
        let found = match run.happen().await {
            Ok(()) => run.account(),
            Err(found) => Err(found),
        };
        let steps = run.witness.steps();
        found.map_err(|found| format!("seed {seed:#x}, {mode:?}, step {steps}: {found}"))
    })
}

#[derive(Debug)]
struct Run {
    chance: Mutex<fastrand::Rng>,
    start: Instant,
    mode: Mode,
    bug: Option<Bug>,
    witness: Witness,
    ledger: Arc<Ledger>,
    events: Vec<Event>,
    /// How far clocks may be wrong, in milliseconds.
    skew: i64,
    /// Who reads the log now. There may be others who think so.
    reader: Arc<Mutex<usize>>,
    stops: AtomicU32,
}

/// A process.
#[derive(Debug)]
struct Process {
    task: JoinHandle<()>,
    ice: Ice,
    clock: Arc<SimClock>,
    network: Network,
}

impl Run {
    fn new(seed: u64, mode: Mode, bug: Option<Bug>) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let events: Vec<_> = (0..).map(Event).take(EVENTS).collect();
        let mut log = events.clone();
        for _ in 0..DUPLICATES {
            log.insert(chance.usize(0..log.len()), events[chance.usize(0..EVENTS)]);
        }
        let skew = [0, 1_000, FAR_OFF][usize::try_from(seed / 4 % 3).unwrap_or_default()];
        Self {
            chance: Mutex::new(chance),
            start: Instant::now(),
            mode,
            bug,
            witness: Witness::new(log),
            ledger: Arc::default(),
            events,
            skew,
            reader: Arc::default(),
            stops: AtomicU32::new(0),
        }
    }

    fn draw(&self, below: u64) -> u64 {
        self.chance.lock().u64(0..below)
    }

    fn wrong_by(&self) -> i64 {
        self.chance.lock().i64(-self.skew..=self.skew)
    }

    fn spawn(&self, number: usize, is_calm: bool) -> Process {
        let rate = 1.0 + DRIFT * (self.chance.lock().f64() * 2.0 - 1.0);
        let clock = Arc::new(SimClock::drifting(self.start, self.wrong_by(), rate));
        let ice = Ice::default();
        let network = Network::new(self.witness.clone(), self.draw(u64::MAX));
        if is_calm {
            network.calm();
        }
        let store = Mutant { store: Arc::new(network.clone()), bug: self.bug };
        let records = Records::new(
            Arc::new(store),
            Arc::<SimClock>::clone(&clock),
            Arc::new(SeededRandom::new(self.draw(u64::MAX))),
            Settings::default(),
        );
        let worker = Worker {
            records,
            mode: self.mode,
            bug: self.bug,
            ledger: Arc::clone(&self.ledger),
            witness: self.witness.clone(),
            chance: Arc::new(Mutex::new(fastrand::Rng::with_seed(self.draw(u64::MAX)))),
            failing_in: if is_calm { 0 } else { 6 },
        };
        let consumer = consume(worker, number, Arc::clone(&self.reader));
        let task = tokio::spawn(Freezing::new(consumer, ice.clone()));
        Process { task, ice, clock, network }
    }

    /// Lets things happen to the workers, then lets calm workers finish.
    async fn happen(&self) -> Result<(), String> {
        let mut processes: Vec<_> = (0..WORKERS).map(|number| self.spawn(number, false)).collect();
        for _ in 0..CALAMITIES {
            sleep(Duration::from_millis(self.draw(2_000))).await;
            self.check()?;
            let number = usize::try_from(self.draw(WORKERS as u64)).unwrap_or_default();
            let process = &mut processes[number];
            match self.draw(6) {
                0 | 1 => {
                    process.task.abort();
                    *process = self.spawn(number, false);
                }
                2 | 3 => {
                    let stopped = LEASE.mul_f64(self.chance.lock().f64() * 2.0);
                    self.stops.fetch_add(1, Ordering::Relaxed);
                    process.ice.freeze_from(Instant::now(), stopped);
                }
                4 => *self.reader.lock() = number,
                _ => process.clock.jump(self.wrong_by()),
            }
        }
        for (number, process) in processes.iter_mut().enumerate() {
            process.network.calm();
            process.task.abort();
            *process = self.spawn(number, true);
        }
        let finished = timeout(CALM, self.finish()).await;
        for process in processes {
            process.task.abort();
        }
        finished.map_err(|_| "nothing goes wrong, but not all is settled".to_owned())?
    }

    async fn finish(&self) -> Result<(), String> {
        loop {
            self.check()?;
            let is_read = self.witness.offset() == self.witness.log().len() as u64;
            let engine = self.witness.store.engine();
            let due = engine.due(QUEUE, crate::testing::suite::FAR, 1).unwrap_or_default();
            if is_read && due.is_empty() {
                return Ok(());
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    fn check(&self) -> Result<(), String> {
        self.witness.violation().map_or(Ok(()), Err)
    }

    /// What must be true when all is settled, from the log, the states and the ledger.
    fn account(&self) -> Result<SimReport, String> {
        let engine = self.witness.store.engine();
        let dead = engine.read(DEAD_LETTERS, 0, 0, usize::MAX).unwrap_or_default();
        let children = self.witness.children();
        let mut report = SimReport {
            mode: self.mode,
            steps: self.witness.steps(),
            stops: self.stops.load(Ordering::Relaxed),
            losses: 0,
            repeated: 0,
            held: 0,
            parked: 0,
            history: self.witness.history(),
        };
        let mut done = 0;
        for event in &self.events {
            let name = event.name();
            let state = self.witness.record(*event).map(|record| record.state);
            let emitted = children.iter().filter(|child| **child == name).count();
            let letters = dead.iter().filter(|letter| letter.payload == name).count();
            let (carried, losses) = (self.ledger.carried(*event), self.witness.losses(*event));
            let expected = match state {
                Some(State::Done) => (1, 0),
                Some(State::Hold) => (0, 0),
                Some(State::Park) => (0, 1),
                _ => return Err(format!("{name} is {state:?}, and the log was read to its end")),
            };
            if (emitted, letters) != expected {
                return Err(format!(
                    "{name} is {state:?}, with {emitted} children, {letters} dead"
                ));
            }
            let (least, most) = self.carried(state == Some(State::Done), losses);
            if !(least..=most).contains(&carried) {
                return Err(format!("{name} is {state:?}, and was carried out {carried} times"));
            }
            done += u64::from(state == Some(State::Done));
            report.held += u32::from(state == Some(State::Hold));
            report.parked += u32::from(state == Some(State::Park));
            report.losses += losses;
            report.repeated += carried.saturating_sub(1);
        }
        let accounts = engine.scan(STATE, None, usize::MAX).unwrap_or_default();
        let counted: u64 = accounts.iter().map(|(_, item)| count(&item.content.value)).sum();
        if counted != done {
            return Err(format!("{done} events are done, and the accounts say {counted}"));
        }
        Ok(report)
    }

    /// How often an event's effect outside may have been carried out, at least and at most.
    fn carried(&self, is_done: bool, losses: u32) -> (u32, u32) {
        let least = u32::from(is_done);
        match self.mode {
            Mode::Transactional => (0, 0),
            Mode::Keyed | Mode::LeasedHold => (least, 1),
            Mode::LeasedRetry => (least, 1 + losses),
        }
    }
}

/// Reads the log while it is this worker's, the delay queue, and now and then an event again.
async fn consume(worker: Worker, number: usize, reader: Arc<Mutex<usize>>) {
    loop {
        let pause = worker.chance.lock().u64(1..100);
        sleep(Duration::from_millis(pause)).await;
        let reads_log = *reader.lock() == number;
        let Some(delivery) = next(&worker, reads_log).await else { continue };
        if let Settled::Until(until) = worker.deliver(&delivery).await {
            let wait = until.since(worker.records.unix_time()).min(LEASE);
            sleep(wait).await;
        }
    }
}

async fn next(worker: &Worker, reads_log: bool) -> Option<Delivery> {
    let log = worker.witness.log();
    let choice = worker.chance.lock().u32(0..8);
    if choice == 0 {
        // One that others may be at.
        let at = usize::try_from(worker.witness.offset()).ok()?;
        let (from, to) = (at.saturating_sub(2), log.len().min(at + 2));
        let event = log[worker.chance.lock().usize(from..to)];
        return Some(Delivery { event, source: Source::Stray });
    }
    if choice < 4 || !reads_log {
        let now = worker.records.unix_time();
        let due = worker.witness.store.engine().due(QUEUE, now, 4).ok()?;
        if !due.is_empty() {
            let due = due[worker.chance.lock().usize(0..due.len())].clone();
            let number = due.payload.as_ref().try_into().ok()?;
            let event = Event(u32::from_be_bytes(number));
            return Some(Delivery { event, source: Source::Queue(due) });
        }
    }
    if !reads_log {
        return None;
    }
    let at = super::event::TOPIC;
    let offset = worker.records.store().offset(super::event::GROUP, at, 0).await.ok()??;
    let event = *log.get(usize::try_from(offset).ok()?)?;
    Some(Delivery { event, source: Source::Log(offset) })
}
