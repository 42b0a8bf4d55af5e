//! Keeps calls from an endpoint that fails, and lets it come back gently.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use headgate_types::Moment;
use parking_lot::Mutex;

use self::pass::WHILE_CLOSED;
pub use self::{pass::Pass, settings::Settings};
pub(super) use self::{pass::settle, window::Window};

use super::{
    leases::Leases,
    mode::Switch,
    num,
    verdict::{Layer, Reason, Refusal},
};

mod pass;
mod settings;
mod window;

/// Spread of the open time, so that edges do not probe in step.
const JITTER: f64 = 0.5;
/// Shares of the endpoint's traffic in each second after it closed.
const RAMP: [f64; 4] = [0.10, 0.25, 0.50, 1.0];
const RAMP_STEP: Duration = Duration::from_secs(1);

/// How a call to the endpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was answered below 500.
    Success,
    /// 5xx, no connection, or a timeout.
    Failure,
    /// 429 or 503: it is busy, not broken. Counts for the share of successes and fails a probe, but
    /// is no failure in a row.
    Refused,
}

/// Whether traffic flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It flows.
    Closed,
    /// It does not.
    Open,
    /// A few calls try whether it may.
    HalfOpen,
    /// It flows, less than its share.
    Ramp,
}

/// What an operator wants, whatever was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// No traffic until then.
    Isolate(Moment),
    /// All traffic until then.
    ForceClosed(Moment),
}

/// An endpoint's breaker (Nygard, *Release It!*): closed, open, half-open; then a ramp, so that an
/// endpoint which has just come back is not flattened.
#[derive(Debug)]
pub struct Breaker {
    settings: Settings,
    switch: Switch,
    /// [`CLOSED`] spares most calls the lock.
    hint: AtomicU8,
    probes: Leases,
    inner: Mutex<Inner>,
}

const CLOSED: u8 = 0;
const NOT_CLOSED: u8 = 1;

#[derive(Debug)]
struct Inner {
    state: State,
    /// Passes of an earlier state do not count.
    generation: u32,
    window: Window,
    failures_in_row: u32,
    successes_in_row: u32,
    /// Probes let pass since it is half-open.
    probes_made: u32,
    /// How long probes that were given back have waited for an answer since the last one.
    unanswered: Duration,
    /// The latest moment that was told: who gives back a probe tells none.
    last_now: Moment,
    opened_times: u32,
    /// Openings since it was made.
    opened_total: u64,
    changes_at: Moment,
    closed_at: Moment,
    wish: Option<Override>,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: Settings) -> Self {
        let probes = usize::try_from(settings.probes.max(1)).unwrap_or(1);
        Self {
            settings,
            switch: Switch::default(),
            hint: AtomicU8::new(CLOSED),
            probes: Leases::new(probes),
            inner: Mutex::new(Inner {
                state: State::Closed,
                generation: 0,
                window: Window::default(),
                failures_in_row: 0,
                successes_in_row: 0,
                probes_made: 0,
                unanswered: Duration::ZERO,
                last_now: Moment::ZERO,
                opened_times: 0,
                opened_total: 0,
                changes_at: Moment::ZERO,
                closed_at: Moment::ZERO,
                wish: None,
            }),
        }
    }

    /// Lets a call pass, or says why not. `random` decides during the ramp.
    ///
    /// # Errors
    ///
    /// The refusal, when the breaker is open, all probes are out, or the ramp leaves this call out.
    pub fn admit(&self, now: Moment, random: u64) -> Result<Pass, Refusal> {
        settle(&self.switch, random, || self.decide(now, random))
    }

    /// Its mode and counts.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// What [`Breaker::admit`] says when it enforces; counts nothing.
    pub(super) fn decide(&self, now: Moment, random: u64) -> Result<Pass, Refusal> {
        if self.hint.load(Ordering::Acquire) == CLOSED {
            // A pass that was given just before a change of state counts for the old one.
            return Ok(Pass::while_closed());
        }
        let mut inner = self.inner.lock();
        self.turn(&mut inner, now);
        let generation = inner.generation;
        match inner.state {
            State::Closed => Ok(Pass::while_closed()),
            State::Open => Err(Self::refused(Reason::BreakerOpen, inner.changes_at.since(now))),
            State::Ramp if num::unit(random) < inner.weight(now) => {
                Ok(Pass { probe: None, generation })
            }
            State::Ramp => Err(Self::refused(Reason::BreakerOpen, RAMP_STEP)),
            State::HalfOpen => {
                let end = (now + self.settings.probe_timeout).as_nanos();
                // So many in all: each decides, and one failure opens.
                let may = inner.probes_made < self.settings.probes;
                let lease = may.then(|| self.probes.take(now.as_nanos(), end)).flatten();
                let probe = lease.ok_or_else(|| {
                    Self::refused(Reason::ProbesTaken, self.settings.probe_timeout)
                })?;
                inner.probes_made += 1;
                Ok(Pass { probe: Some(probe), generation })
            }
        }
    }

    /// Whether the breaker would let this call pass if it enforced; takes nothing.
    pub fn would_admit(&self, now: Moment, random: u64) -> bool {
        if self.hint.load(Ordering::Acquire) == CLOSED {
            return true;
        }
        let mut inner = self.inner.lock();
        self.turn(&mut inner, now);
        match inner.state {
            State::Closed => true,
            State::Open => false,
            State::Ramp => num::unit(random) < inner.weight(now),
            State::HalfOpen => {
                inner.probes_made < self.settings.probes && self.probes.is_any_free(now.as_nanos())
            }
        }
    }

    /// Whether it is known to be closed without a look at the time.
    pub fn is_quiet(&self) -> bool {
        self.hint.load(Ordering::Acquire) == CLOSED
    }

    /// Whether it has come back, and its traffic not yet.
    pub fn is_returning(&self, now: Moment) -> bool {
        self.hint.load(Ordering::Acquire) != CLOSED && self.state(now) == State::Ramp
    }

    /// Records how a call ended. `may_open` is false when opening would leave too few endpoints.
    pub fn record(&self, pass: &Pass, now: Moment, end: End, may_open: bool) {
        let mut inner = self.inner.lock();
        self.turn(&mut inner, now);
        let is_current = pass.generation == WHILE_CLOSED || pass.generation == inner.generation;
        if let Some(lease) = pass.probe {
            let is_held = self.probes.give(lease);
            if is_held && is_current && inner.state == State::HalfOpen {
                self.record_probe(&mut inner, now, end);
            }
            return;
        }
        if !is_current || matches!(inner.state, State::Open | State::HalfOpen) {
            return;
        }
        inner.window.add(now, end == End::Success);
        inner.failures_in_row = match end {
            End::Success => 0,
            End::Failure => inner.failures_in_row + 1,
            End::Refused => inner.failures_in_row,
        };
        let (calls, successes) = inner.window.sums();
        let is_bad = inner.failures_in_row >= self.settings.consecutive_failures
            || (calls >= self.settings.calls_min
                && f64::from(successes) < self.settings.success_min * f64::from(calls));
        if is_bad && may_open {
            self.open(&mut inner, now);
        } else if is_bad {
            // Judged anew, or it would be shut out for old failures as soon as others are back,
            // whether or not it has recovered with them.
            inner.window = Window::default();
            inner.failures_in_row = 0;
        }
    }

    /// Gives back a call of which nobody will know the end: another layer refused it, or its client
    /// has left.
    ///
    /// That says nothing about the endpoint, but for the time that the client has waited. Were it
    /// forgotten, clients that leave before a probe's time is over would keep a breaker half-open,
    /// and send probe after probe to an endpoint that hangs.
    pub fn give_back(&self, pass: &Pass) {
        if let Some(lease) = pass.probe
            && self.probes.give(lease)
        {
            let mut inner = self.inner.lock();
            inner.probes_made = inner.probes_made.saturating_sub(1);
            let left = lease.end().saturating_sub(inner.last_now.as_nanos());
            let waited = self.settings.probe_timeout.saturating_sub(Duration::from_nanos(left));
            inner.unanswered = inner.unanswered.saturating_add(waited);
        }
    }

    /// The state at that moment.
    pub fn state(&self, now: Moment) -> State {
        let mut inner = self.inner.lock();
        self.turn(&mut inner, now);
        inner.state
    }

    /// How often it has opened since it was made: who looks at its state now and then sees by it
    /// what came and went in between.
    pub fn opened(&self) -> u64 {
        self.inner.lock().opened_total
    }

    /// Opens the breaker for what was found elsewhere, such as by comparison with other endpoints.
    pub fn trip(&self, now: Moment) {
        self.open(&mut self.inner.lock(), now);
    }

    /// Sets an operator's wish, which ends by itself; none lifts it.
    pub fn set_override(&self, wish: Option<Override>) {
        let mut inner = self.inner.lock();
        inner.wish = wish;
        self.hint.store(NOT_CLOSED, Ordering::Release);
    }

    fn refused(reason: Reason, after: Duration) -> Refusal {
        Refusal::new(Layer::Breaker, reason, 0.0, 0.0).after(after)
    }

    /// Moves on to what is due by time alone.
    fn turn(&self, inner: &mut Inner, now: Moment) {
        inner.last_now = inner.last_now.max(now);
        match inner.wish {
            Some(Override::Isolate(until)) if now < until => {
                (inner.state, inner.changes_at) = (State::Open, until);
                return;
            }
            Some(Override::ForceClosed(until)) if now < until => {
                inner.state = State::Closed;
                return;
            }
            Some(_) => {
                inner.wish = None;
                self.close(inner, now);
            }
            None => {}
        }
        match inner.state {
            State::Open if now >= inner.changes_at => {
                inner.state = State::HalfOpen;
                inner.generation = inner.generation.wrapping_add(1) & 0xffff;
                (inner.successes_in_row, inner.probes_made) = (0, 0);
                inner.unanswered = Duration::ZERO;
                self.probes.clear();
            }
            // A probe that never ends has failed.
            State::HalfOpen
                if self.probes.is_any_over(now.as_nanos())
                    || inner.unanswered >= self.settings.probe_timeout =>
            {
                self.open(inner, now);
            }
            State::Ramp if now >= inner.closed_at + RAMP_STEP * 4 => self.close(inner, now),
            _ => {}
        }
    }

    fn record_probe(&self, inner: &mut Inner, now: Moment, end: End) {
        if end != End::Success {
            return self.open(inner, now);
        }
        inner.successes_in_row += 1;
        inner.unanswered = Duration::ZERO;
        if inner.successes_in_row >= self.settings.probes {
            inner.state = State::Ramp;
            inner.generation = inner.generation.wrapping_add(1) & 0xffff;
            inner.closed_at = now;
            // Cleared on the way back, so that old failures do not open it again.
            inner.window = Window::default();
            inner.failures_in_row = 0;
        }
    }

    fn open(&self, inner: &mut Inner, now: Moment) {
        if inner.state == State::Open {
            return;
        }
        let doubled = self.settings.open_for.saturating_mul(1 << inner.opened_times.min(16));
        let longest = doubled.min(self.settings.open_for_max);
        inner.opened_times += 1;
        inner.opened_total += 1;
        let spread = num::unit(now.as_nanos() ^ u64::from(inner.generation)) * JITTER;
        inner.state = State::Open;
        inner.generation = inner.generation.wrapping_add(1) & 0xffff;
        inner.changes_at = now + longest.mul_f64(1.0 - spread / 2.0);
        inner.failures_in_row = 0;
        inner.window = Window::default();
        self.hint.store(NOT_CLOSED, Ordering::Release);
    }

    fn close(&self, inner: &mut Inner, now: Moment) {
        inner.state = State::Closed;
        inner.generation = inner.generation.wrapping_add(1) & 0xffff;
        inner.closed_at = now;
        inner.opened_times = 0;
        inner.failures_in_row = 0;
        inner.window = Window::default();
        self.hint.store(CLOSED, Ordering::Release);
    }
}

impl Inner {
    /// The share of its traffic that the endpoint gets during the ramp.
    fn weight(&self, now: Moment) -> f64 {
        let steps = now.since(self.closed_at).as_secs_f64() / RAMP_STEP.as_secs_f64();
        RAMP.get(num::index(steps)).copied().unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests;
