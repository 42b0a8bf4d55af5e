//! The edge's own overload: how much of what arrives it can still serve.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use headgate_types::{Moment, Priority, Ratio};
use parking_lot::Mutex;

use super::{
    mode::{Ruled, Switch},
    priority::{SHED_MAX, Threshold},
    verdict::{ADMIT_ALL, Layer, Reason, Refusal},
};

/// What the edge measures about itself, at least every [`SHED_EVERY`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals {
    /// The shortest time that a timer was late in the last 100 ms, over the workers' worst. The
    /// shortest, as in `CoDel`: a single late timer is noise.
    pub scheduler_lag: Duration,
    /// CPU time used over the quota of the process's control group, not of the machine.
    pub cpu: f64,
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests that ended since the last report.
    pub completed: u32,
    /// Requests that arrived since the last report, refused ones included.
    pub arrived: u32,
    /// The median time of a request.
    pub rtt: Duration,
}

/// Lag at which shedding starts, and at which it is full (folly starts at 5 ms; Finagle and
/// `DAGOR` act at 20 ms).
const LAG: (f64, f64) = (0.005, 0.020);
/// Share of the CPU quota from which it counts, unless somebody says otherwise (Netflix sheds from
/// 0.6, go-zero at 0.9).
const BUSY_FROM: f64 = 0.75;
/// It is full at so many times that, or at so much of what is left beyond it: both are 0.95.
const BUSY_FULL: (f64, f64) = (1.27, 0.8);
/// CPU counts by an average that follows within a second (go-zero's 5 s are slow for an edge).
const CPU_KEEP: f64 = 0.8;
/// In flight over what the best recent throughput and shortest RTT account for, from which it
/// confirms that the CPU is overloaded (the test of Sentinel, kratos and go-zero, after BBR). How
/// much overload there is it does not say: where calls are short, it is a handful of them.
const CROWDED: f64 = 1.5;
/// The share that is shed is set anew this often.
pub const SHED_EVERY: Duration = Duration::from_millis(250);
/// The overload that the law holds: CPU at 0.92, timers 18 ms late. Above it more is shed, below it
/// less. What is left keeps queues from growing while the law looks for the share.
const AIM: f64 = 0.85;
/// What is shed grows by so much of the overload beyond the aim per turn, and shrinks by so much of
/// the square of what is missing to it: fast on an idle core, gently on one that is nearly busy.
const GROWS: f64 = 0.1;
const SHRINKS: f64 = 0.2;
/// Lag beyond full overload counts by its doublings, up to so many.
const DOUBLINGS_MAX: f64 = 3.0;
/// While no other signal confirms CPU, at least so much less is shed with each turn.
const PROBE: f64 = 0.015;
/// Turns over which the best throughput and shortest RTT are remembered: ten seconds.
const BEST_TURNS: usize = 40;

/// Sheds by rank when the edge itself is overloaded.
///
/// Every turn the share of arrivals to shed, least important ranks first, moves so that overload x
/// in [0, 1] meets an aim of 0.85. When x first goes beyond it, the share jumps to what did not come
/// back, `1 - completed / arrived`; from there it integrates: up by `0.1 * (x - 0.85)` with a part
/// for each doubling of the lag beyond 20 ms, down by `0.2 * (0.85 - x)^2`.
///
/// Netflix (Zuul 2 prioritized load shedding, 2020) sheds ranks by the cube of x, and Uber's
/// Cinnamon shares by a PID controller of `(arrived - completed) / completed`. Both together swing:
/// on a core that is asked for twice what it can do, all is shed that the cube says, the core idles,
/// all is let in again; a third of the core's work remains (the model in the tests). One integral
/// term around an aim keeps nine tenths.
///
/// Never more than [`SHED_MAX`] is shed, and CPU alone sheds nothing unless lag or in flight
/// confirms it: container CPU accounting has shed idle services (go-zero 4265). While something is
/// shed, CPU alone says how fast less may be, but not that it may not.
#[derive(Debug)]
pub struct Instance {
    switch: Switch,
    threshold: Threshold,
    /// Shares that are refused whatever the load is, in steps of 1 / [`CUT_STEPS`], by class.
    cuts: [AtomicU32; 4],
    /// Share of the CPU quota from which it counts, in the same steps.
    busy_from: AtomicU32,
    state: Mutex<State>,
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            switch: Switch::default(),
            threshold: Threshold::default(),
            cuts: Default::default(),
            busy_from: AtomicU32::new(super::num::count(BUSY_FROM * CUT_STEPS)),
            state: Mutex::default(),
        }
    }
}

const CUT_STEPS: f64 = 10_000.0;
/// Parts this draw from others that layers make from the same number.
const CUT_DRAW: u64 = 0x0043_5554_4452_4157;

#[derive(Debug)]
struct State {
    cpu: f64,
    shed: f64,
    reason: Reason,
    observed: f64,
    limit: f64,
    turn_at: Moment,
    arrived: u32,
    completed: u32,
    best: [(f64, f64); BEST_TURNS],
    turn: usize,
    turned_at: Moment,
}

impl Default for State {
    fn default() -> Self {
        Self {
            cpu: 0.0,
            shed: 0.0,
            reason: Reason::SchedulerLag,
            observed: 0.0,
            limit: 0.0,
            turn_at: Moment::ZERO,
            arrived: 0,
            completed: 0,
            best: [(0.0, f64::INFINITY); BEST_TURNS],
            turn: 0,
            turned_at: Moment::ZERO,
        }
    }
}

impl Instance {
    /// Counts an arrival, and refuses it if the edge has no capacity for its rank.
    pub fn check(&self, priority: Priority, draw: u64) -> Option<Refusal> {
        self.rule(priority, draw).refused()
    }

    /// The same, with what is only observed.
    pub fn rule(&self, priority: Priority, draw: u64) -> Ruled {
        if !self.switch.is_on() {
            return Ruled::Admitted;
        }
        let rank = priority.rank();
        let by_rank = self.threshold.sheds(rank).map(|first_shed| {
            let state = self.state.lock();
            let retry_after = Duration::from_secs(1 + draw % 5);
            Refusal::new(Layer::Instance, state.reason, state.observed, state.limit)
                .after(retry_after)
                .at_level(rank, first_shed)
        });
        let refusal = by_rank.or_else(|| self.cut_of(priority, draw));
        self.switch.rule(refusal, draw)
    }

    /// Its mode and counts.
    ///
    /// To observe is to decide by the same signals; as nobody is refused, these do not get better,
    /// so the share that would be shed is an upper bound of what enforcing would shed.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Sets the share of each class that is refused whatever the load is. Of critical requests none
    /// ever is.
    pub fn set_cuts(&self, shares: [Ratio; 4]) {
        for (cut, share) in self.cuts.iter().zip(shares).skip(1) {
            cut.store(super::num::count(share.as_f64() * CUT_STEPS), Ordering::Relaxed);
        }
    }

    /// Sets the share of the CPU quota from which the edge counts as busy.
    pub fn set_busy_from(&self, share: Ratio) {
        let steps = super::num::count(share.as_f64() * CUT_STEPS);
        self.busy_from.store(steps, Ordering::Relaxed);
    }

    /// The share of the CPU quota from which the edge counts as busy.
    pub fn busy_from(&self) -> f64 {
        f64::from(self.busy_from.load(Ordering::Relaxed)) / CUT_STEPS
    }

    fn cut_of(&self, priority: Priority, draw: u64) -> Option<Refusal> {
        let cut = f64::from(self.cuts.get(priority.class().index())?.load(Ordering::Relaxed));
        let place = super::num::unit(draw ^ CUT_DRAW) * CUT_STEPS;
        (place < cut).then(|| {
            let observed = place / CUT_STEPS;
            Refusal::new(Layer::Instance, Reason::Operator, observed, cut / CUT_STEPS)
                .at_level(priority.rank(), ADMIT_ALL)
        })
    }

    /// Takes what was measured, and moves the threshold when it is time.
    pub fn report(&self, signals: &Signals, now: Moment) {
        let mut state = self.state.lock();
        state.arrived = state.arrived.saturating_add(signals.arrived);
        state.completed = state.completed.saturating_add(signals.completed);
        state.cpu = state.cpu * CPU_KEEP + signals.cpu * (1.0 - CPU_KEEP);
        if now < state.turn_at {
            return;
        }
        let overload = state.overload(signals, self.busy_from(), now);
        state.turn_at = now + SHED_EVERY;
        state.settle(overload, signals);
        self.threshold.shed(state.shed, 0);
        self.threshold.fade(0.78);
    }

    /// Ranks from this one on are shed; 512 when none is.
    pub fn threshold(&self) -> u16 {
        self.threshold.first_shed()
    }
}

impl State {
    /// How much overload there is; keeps the reason.
    fn overload(&mut self, signals: &Signals, busy_from: f64, now: Moment) -> Overload {
        let elapsed = now.since(self.turned_at).as_secs_f64().max(1e-3);
        self.turned_at = now;
        let throughput = f64::from(self.completed) / elapsed;
        self.turn = (self.turn + 1) % BEST_TURNS;
        if let Some(best) = self.best.get_mut(self.turn) {
            let rtt = signals.rtt.as_secs_f64();
            *best = (throughput, if rtt > 0.0 { rtt } else { f64::INFINITY });
        }
        let best =
            |(most, least): (f64, f64), turn: &(f64, f64)| (most.max(turn.0), least.min(turn.1));
        let (most, least) = self.best.iter().fold((0.0, f64::INFINITY), best);
        let sustained = if least.is_finite() { most * least } else { f64::INFINITY };
        let in_flight = f64::from(signals.in_flight) / sustained.max(1.0);
        let lag = scaled(signals.scheduler_lag.as_secs_f64(), LAG);
        let (times, part) = BUSY_FULL;
        let busy_full = (busy_from * times).min(busy_from + part * (1.0 - busy_from));
        let busy = scaled(self.cpu, (busy_from, busy_full));
        let cpu = if lag > 0.0 || in_flight > CROWDED { busy } else { 0.0 };
        let most = lag.max(cpu);
        if most > 0.0 {
            (self.reason, self.observed, self.limit) = if lag >= most {
                (Reason::SchedulerLag, signals.scheduler_lag.as_secs_f64(), LAG.0)
            } else {
                (Reason::Cpu, self.cpu, busy_from)
            };
        }
        Overload { confirmed: most, told: most.max(busy) }
    }

    /// The integral law: the share of arrivals to shed.
    fn settle(&mut self, overload: Overload, signals: &Signals) {
        let (arrived, completed) = (f64::from(self.arrived), f64::from(self.completed));
        (self.arrived, self.completed) = (0, 0);
        if overload.confirmed > AIM {
            let lost = 1.0 - completed / arrived.max(1.0);
            let late = signals.scheduler_lag.as_secs_f64() / LAG.1;
            let doublings = late.max(1.0).log2().min(DOUBLINGS_MAX);
            self.shed = self.shed.max(lost) + GROWS * (overload.confirmed - AIM + doublings);
        } else {
            self.shed -= (SHRINKS * (AIM - overload.told).powi(2)).max(PROBE);
        }
        self.shed = self.shed.clamp(0.0, SHED_MAX);
        debug_assert!(signals.cpu >= 0.0, "CPU time does not run backward");
    }
}

/// Overload from 0 (none) to 1 (full).
#[derive(Clone, Copy, Debug)]
struct Overload {
    /// By signals that confirm one another.
    confirmed: f64,
    /// By any of them.
    told: f64,
}

/// Where a value stands between a start (0) and a full (1) mark.
fn scaled(value: f64, (start, full): (f64, f64)) -> f64 {
    ((value - start) / (full - start).max(f64::EPSILON)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
