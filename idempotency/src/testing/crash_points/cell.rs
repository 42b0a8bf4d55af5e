//! One play: a worker to which it happens, and another one that gets the event after it.

use std::{fmt, sync::Arc, time::Duration};

use headgate_store::{Batch, Operation};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    Position, Records, Settings, Store,
    record::State,
    testing::{
        SeededRandom,
        failing::{Failing, Fault},
        sim::{
            clock::SimClock,
            event::{Event, GROUP, LEASE, Ledger, Mode, TOPIC},
            ice::{Freezing, Ice},
            witness::Witness,
            worker::{Delivery, Settled, Source, Worker},
        },
    },
};

/// How long a play may take, from when on the second worker gets the event: what is longer than a
/// lease, the skew and the stalls is stuck.
const PLAY: Duration = Duration::from_mins(5);
/// When every record has expired.
const EXPIRED: Duration = Duration::from_hours(24);
const TEN_MINUTES: i64 = 600_000;
/// An offset that others have reached.
const LATER: u64 = 5;

/// What happens to the first worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// The call of the store that goes wrong.
    pub(super) fault: Option<(usize, Fault)>,
    pub(super) trouble: Trouble,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// The offset is not part of the commit, and the worker dies before it stores it.
    OffsetLater,
    /// Others have read on when the commit brings its offset.
    OldOffset,
    /// The process is stopped in its handler for twice the lease.
    Stopped,
    /// The event is handed to the second worker at once.
    Moved,
    /// The second worker's clock is ten minutes ahead.
    ClockAhead,
    /// The second worker reads the log again from the start when the record has expired.
    Expired,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    /// Children, which stand for everything that is recorded.
    pub(super) recorded: usize,
    /// Times that the effect outside was carried out.
    pub(super) carried: u32,
    /// Workers whose key was taken over.
    pub(super) losses: u32,
    pub(super) is_held: bool,
    /// Calls of the store by the first worker.
    pub(super) calls: usize,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_held, self.carried) {
            (false, 0 | 1) => f.write_str("once"),
            (false, times) => write!(f, "recorded once, carried out {times} times"),
            (true, 0) => f.write_str("held, not carried out"),
            (true, _) => f.write_str("held, carried out once"),
        }
    }
}

pub(super) fn play(mode: Mode, plan: Plan) -> Result<Cell, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let stage = Stage::new(mode);
        let stuck = |_| "it is stuck".to_owned();
        let calls = timeout(EXPIRED + PLAY, stage.play(plan)).await.map_err(stuck)??;
        stage.account(calls)
    })
}

struct Stage {
    mode: Mode,
    event: Event,
    start: Instant,
    witness: Witness,
    ledger: Arc<Ledger>,
}

impl Stage {
    fn new(mode: Mode) -> Self {
        let (event, start) = (Event(0), Instant::now());
        Self { mode, event, start, witness: Witness::new(vec![event]), ledger: Arc::default() }
    }

    fn worker(&self, store: Arc<dyn Store>, seed: u64, ahead: i64) -> Worker {
        let clock = Arc::new(SimClock::new(self.start, ahead));
        let random = Arc::new(SeededRandom::new(seed));
        Worker {
            records: Records::new(store, clock, random, Settings::default()),
            mode: self.mode,
            bug: None,
            ledger: Arc::clone(&self.ledger),
            witness: self.witness.clone(),
            chance: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))),
            failing_in: 0,
        }
    }

    fn delivery(&self, source: Source) -> Delivery {
        Delivery { event: self.event, source }
    }

    /// Gives the first worker's calls.
    async fn play(&self, plan: Plan) -> Result<usize, String> {
        let (at, fault) = plan.fault.unzip();
        let store: Arc<dyn Store> = Arc::new(self.witness.clone());
        let failing = Failing::new(store, at.unwrap_or_default(), fault);
        let first = self.worker(Arc::new(failing.clone()), 1, 0);
        let ice = Ice::default();
        if plan.trouble == Trouble::Stopped {
            // In the middle of what its handler takes.
            ice.freeze_from(Instant::now() + Duration::from_millis(10), LEASE * 2);
        }
        if plan.trouble == Trouble::OldOffset {
            self.read_on()?;
        }
        let source = match plan.trouble {
            Trouble::OffsetLater => Source::Stray,
            _ => Source::Log(0),
        };
        let delivery = self.delivery(source);
        let handed = failing.run(async { first.deliver(&delivery).await });
        let begins = match plan.trouble {
            Trouble::Moved | Trouble::ClockAhead => Duration::from_millis(20),
            Trouble::Expired => EXPIRED,
            _ => LEASE / 4,
        };
        let followed = async {
            sleep(begins).await;
            timeout(PLAY, self.follow(plan.trouble)).await.map_err(|_| "it is stuck".to_owned())?
        };
        let (_, settled) = tokio::join!(Freezing::new(handed, ice), followed);
        settled.map(|()| failing.calls())
    }

    /// Gets the event until it is settled.
    async fn follow(&self, trouble: Trouble) -> Result<(), String> {
        let ahead = if trouble == Trouble::ClockAhead { TEN_MINUTES } else { 0 };
        let second = self.worker(Arc::new(self.witness.clone()), 2, ahead);
        let at = Position { group: GROUP.to_owned(), topic: TOPIC.to_owned(), partition: 0 };
        if trouble == Trouble::Expired {
            let watermark = second.records.watermark(&at).await;
            if watermark.map_err(|error| error.to_string())?.is_settled(0) {
                return Ok(());
            }
        }
        let delivery = self.delivery(Source::Log(0));
        loop {
            match second.deliver(&delivery).await {
                Settled::Yes => return self.witness.violation().map_or(Ok(()), Err),
                Settled::Until(until) => sleep(until.since(second.records.unix_time())).await,
                Settled::No => return Err("a healthy worker could not settle it".to_owned()),
            }
        }
    }

    fn read_on(&self) -> Result<(), String> {
        let batch = Batch::new().with(Operation::CommitOffset {
            group: GROUP.to_owned(),
            topic: TOPIC.to_owned(),
            partition: 0,
            offset: LATER,
        });
        // What lies below belongs to others.
        self.witness.store.write(&batch).map(drop).map_err(|error| error.to_string())
    }

    fn account(&self, calls: usize) -> Result<Cell, String> {
        if let Some(violation) = self.witness.violation() {
            return Err(violation);
        }
        let state = self.witness.record(self.event).map(|record| record.state);
        let (recorded, offset) = (self.witness.children().len(), self.witness.offset());
        if offset != 1 && offset != LATER {
            return Err(format!("the offset is {offset}"));
        }
        if !matches!(state, Some(State::Done | State::Hold)) {
            return Err(format!("the key is {state:?}"));
        }
        Ok(Cell {
            recorded,
            carried: self.ledger.carried(self.event),
            losses: self.witness.losses(self.event),
            is_held: state == Some(State::Hold),
            calls,
        })
    }
}
