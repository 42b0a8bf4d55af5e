//! What the edge measures about itself.

use std::{
    cell::Cell,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use headgate_router::overload::{instance::Signals, memory};
use headgate_types::Moment;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::{edge::Edge, stream::IdleShare};

/// How often each thread looks how late its timer is: often enough for several looks in a turn, and
/// far below what an idle process would notice.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The shortest lateness of this long counts: a single late timer is noise.
const TURN: Duration = Duration::from_millis(100);
/// Threads whose lateness is told apart; more share the last place.
const THREADS_MAX: usize = 256;
/// Part of the share of CPU from which the edge is busy, from which on late timers count: half of
/// what the process may use, by default. Below it the machine is busy with others, and to serve
/// less would not make it less so.
const LAG_COUNTS_FROM: f64 = 2.0 / 3.0;
/// Share of the memory from which no connection is accepted, and below which they are again.
const MEMORY_FULL: (f64, f64) = (0.95, 0.90);

/// What the machine says of the process, by whoever can read it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Machine {
    /// CPU time used of late, over what the process may use. None: unknown.
    pub cpu: Option<f64>,
    /// Memory in use, over what the process's control group may use. None: there is no limit, or
    /// it is unknown.
    pub memory: Option<f64>,
}

/// Counts what the edge's own protection goes by.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Nanoseconds by which each thread's timers were late in its last turn.
    lags: Box<[AtomicU64]>,
    threads: AtomicUsize,
    arrived: AtomicU64,
    ended: AtomicU64,
    refused: AtomicU64,
    /// Microseconds that ended exchanges have taken together.
    micros: AtomicU64,
    is_memory_full: AtomicBool,
    /// How long clients' connections may idle meanwhile.
    pub(crate) idle_share: Arc<IdleShare>,
    last: Mutex<Last>,
}

/// The last report, and the sums at that time.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    signals: Signals,
    machine: Machine,
    arrived: u64,
    ended: u64,
    micros: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            lags: (0..THREADS_MAX).map(|_| AtomicU64::new(0)).collect(),
            threads: AtomicUsize::new(0),
            arrived: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            micros: AtomicU64::new(0),
            is_memory_full: AtomicBool::new(false),
            idle_share: Arc::default(),
            last: Mutex::default(),
        }
    }
}

impl Meter {
    /// Counts an exchange that the edge serves.
    pub(crate) fn arrived(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an exchange that the edge has refused for its own overload.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the end of an exchange that was served.
    pub(crate) fn ended(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether there is no memory for another connection.
    pub(crate) fn is_memory_full(&self) -> bool {
        self.is_memory_full.load(Ordering::Relaxed)
    }

    /// What was last reported.
    pub(crate) fn last(&self) -> (Signals, Machine) {
        let last = self.last.lock();
        (last.signals, last.machine)
    }

    /// Puts together what was measured since the last time, of an edge that is busy from this share
    /// of the CPU on.
    pub(crate) fn report(&self, machine: Machine, busy_from: f64) -> Signals {
        let mut last = self.last.lock();
        let (arrived, refused) =
            (self.arrived.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed));
        let (ended, micros) =
            (self.ended.load(Ordering::Relaxed), self.micros.load(Ordering::Relaxed));
        let completed = ended.saturating_sub(last.ended);
        let took = micros.saturating_sub(last.micros);
        let lag = self.lags.iter().map(|lag| lag.load(Ordering::Relaxed)).max().unwrap_or(0);
        let is_ours = machine.cpu.is_none_or(|cpu| cpu >= LAG_COUNTS_FROM * busy_from);
        let signals = Signals {
            scheduler_lag: Duration::from_nanos(if is_ours { lag } else { 0 }),
            cpu: machine.cpu.unwrap_or(0.0).max(0.0),
            in_flight: count(arrived.saturating_sub(ended)),
            completed: count(completed),
            arrived: count((arrived + refused).saturating_sub(last.arrived)),
            rtt: Duration::from_micros(took.checked_div(completed).unwrap_or(0)),
        };
        *last = Last { signals, machine, arrived: arrived + refused, ended, micros };
        drop(last);
        self.note_memory(machine);
        signals
    }

    fn note_memory(&self, machine: Machine) {
        let was_full = self.is_memory_full();
        let limit = if was_full { MEMORY_FULL.1 } else { MEMORY_FULL.0 };
        let is_full = machine.memory.is_some_and(|memory| memory >= limit);
        self.is_memory_full.store(is_full, Ordering::Relaxed);
        self.idle_share.set(memory::idle_share(machine.memory));
        if is_full != was_full {
            tracing::warn!(is_full, "memory for connections");
        }
    }

    fn set_lag(&self, place: usize, lag: Duration) {
        let place = place.min(THREADS_MAX - 1);
        if let Some(slot) = self.lags.get(place) {
            let nanos = u64::try_from(lag.as_nanos()).unwrap_or(u64::MAX);
            slot.store(nanos, Ordering::Relaxed);
        }
    }
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

thread_local! {
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Begins to watch how late this thread's timers are, unless somebody does.
pub(crate) fn watch_thread(edge: &Arc<Edge>) {
    if !IS_WATCHED.replace(true) {
        let place = edge.protection.meter.threads.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(watch(Arc::downgrade(edge), place));
    }
}

async fn watch(edge: Weak<Edge>, place: usize) {
    loop {
        let turn_ends = Instant::now() + TURN;
        let mut least = Duration::MAX;
        while Instant::now() < turn_ends {
            let due = Instant::now() + LOOK_EVERY;
            sleep_until(due).await;
            least = least.min(due.elapsed());
        }
        let Some(edge) = edge.upgrade() else { return };
        edge.protection.meter.set_lag(place, least);
    }
}

impl Edge {
    /// Takes what the machine says of the process, and lets the edge's own protection follow. To
    /// be told about ten times a second, beside the data path.
    pub fn measured(&self, machine: Machine) {
        let busy_from = self.protection.instance.busy_from();
        let signals = self.protection.meter.report(machine, busy_from);
        self.protection.instance.report(&signals, self.moment());
    }

    fn moment(&self) -> Moment {
        self.clock.now()
    }
}

#[cfg(test)]
mod tests;
