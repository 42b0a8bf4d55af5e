//! The default concurrency limit: as many calls as the upstream works on, and few that wait there.
//!
//! The limit follows calls' times against their no-load RTT, as Vegas (Brakmo, Peterson, 1995) and
//! Netflix's Gradient2 do, with four differences, each against a documented fault of theirs:
//!
//! 1. Times are averaged as logarithms and compared with their own scatter, so that heavy tails
//!    neither pin the limit nor shake it (Netflix concurrency-limits 34).
//! 2. A cut goes toward the bandwidth-delay product `throughput * no_load_rtt` at once, as BBR's
//!    drain does (Cardwell et al., 2016), instead of 10 % a window.
//! 3. A cut is an experiment. Little's law says `limit = throughput * rtt` while the limit binds: if
//!    calls queue, a lower limit keeps the throughput and shortens the RTT; if the calls themselves
//!    have become slower, it costs throughput and wins no time. The second outcome takes the cut
//!    back and learns the new no-load RTT. (Uber's Cinnamon and failsafe-go look at the same two
//!    quantities by correlation over many windows.)
//! 4. The no-load RTT is learnt only below the limit or by such an experiment, so it cannot drift
//!    under load (failsafe-go 127, Envoy 11579), and never by pinning the limit (Envoy 46532).

use std::time::Duration;

use headgate_types::Moment;

use self::{
    experiment::{Doubt, Experiment, PROBE_EVERY, TELLING_CUT, UNSTEADY_WINDOWS_MAX},
    held::Held,
    window::{Kind, Trend, Window},
};
use super::{
    limit::{Cause, End, Limit, Sample},
    num,
};

mod experiment;
mod held;
mod learning;
mod window;

/// What can be tuned; the defaults serve unknown upstreams.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The limit before anything is known.
    pub initial: u32,
    /// Never fewer, so that enough calls pass to learn from.
    pub min: u32,
    /// Never more.
    pub max: u32,
    /// A typical call above this is overload whatever was learnt, and the no-load RTT is never
    /// learnt above it. None: the upstream's own times decide.
    pub healthy_rtt_max: Option<Duration>,
    /// Kinds of calls with a no-load RTT of their own, 1 or more.
    pub kinds: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { initial: 20, min: 4, max: 1000, healthy_rtt_max: None, kinds: 1 }
    }
}

/// Wait at the upstream, as a multiple of a call's mean time, up to which the limit may grow.
const GROW_BELOW: f64 = 0.07;
/// From here on it shrinks. Between the two it rests.
const SHRINK_ABOVE: f64 = 0.16;
/// From here on one window suffices for a cut.
const OVERLOAD_ABOVE: f64 = 0.63;
/// Share of calls refused or timed out from which the limit is cut.
const LOSS_MAX: f64 = 0.02;
/// Share of the limit in use from which the limit counts as binding.
const BINDING: f64 = 0.9;
/// Share of the limit in use below which the upstream's times are its own.
const RELAXED: f64 = 0.6;
/// Windows like that after which a fresh no-load RTT is trusted.
const RELAXED_WINDOWS: u32 = 10;
/// Largest growth in one window, as a share; `sqrt(limit)` above a limit of 100.
const GROW_SHARE: f64 = 0.15;
/// The same while the limit returns to what it was before, and how much of that.
const RETURN_SHARE: f64 = 0.5;
const KNOWN_GOOD: f64 = 0.6;
/// A cut so deep costs the highest class if it was wrong.
const DEEP_CUT: f64 = 0.8;
/// Deepest cut in one step.
const CUT_MIN: f64 = 0.5;
/// A no-load RTT raised by more than this is an incident, in which the limit may not pass its
/// earlier value; up to it, it is a slower release and the limit may grow in proportion.
const RELEASE_RATIO_MAX: f64 = 3.0;
/// The limit's rule. See the module's text.
#[derive(Debug)]
pub struct Adaptive {
    settings: Settings,
    limit: f64,
    cause: Cause,
    kinds: Vec<Kind>,
    window: Window,
    trend: Trend,
    /// Calls that end earlier tell of an earlier limit.
    valid_from: Moment,
    /// Calls that have to end before the last move shows, and until when they are waited for.
    old_calls: u32,
    old_until: Moment,
    experiment: Option<Experiment>,
    held: Held,
    /// The limit before the first cut of a lasting overload.
    limit_before: Option<f64>,
    /// Up to here the limit may return fast: most of what it was before it was cut.
    known_good: f64,
    /// The limit before cuts of which it is not known whether they were right.
    untested_from: Option<f64>,
    /// Tests that found these cuts right.
    tests_failed: u32,
    /// Windows that were passed over because calls from before a cut were still ending.
    unsteady_windows: u32,
    incident: Option<Incident>,
    /// Whether the no-load RTT may be too high.
    doubt: Doubt,
    /// Windows in which calls cannot have queued.
    relaxed_windows: u32,
    /// Windows in a row in which the limit has bound.
    binding_windows: u32,
    probe_at: Moment,
    probe_every: Duration,
}

/// A time during which the no-load RTT stands above what it was.
#[derive(Clone, Copy, Debug)]
struct Incident {
    limit_before: f64,
    /// Logarithm of the no-load RTT over its value before.
    raised: f64,
}

impl Adaptive {
    /// Starts at the initial limit with nothing learnt.
    pub fn new(settings: Settings) -> Self {
        let limit = f64::from(settings.initial.clamp(settings.min, settings.max));
        Self {
            settings,
            limit,
            cause: Cause::Set,
            kinds: vec![Kind::default(); settings.kinds.max(1)],
            window: Window::default(),
            trend: Trend::default(),
            valid_from: Moment::ZERO,
            old_calls: 0,
            old_until: Moment::ZERO,
            experiment: None,
            held: Held::default(),
            limit_before: None,
            known_good: 0.0,
            untested_from: None,
            tests_failed: 0,
            unsteady_windows: 0,
            incident: None,
            doubt: Doubt::New,
            relaxed_windows: 0,
            binding_windows: 0,
            probe_at: Moment::ZERO,
            probe_every: PROBE_EVERY,
        }
    }

    fn close_window(&mut self, now: Moment) {
        let window = std::mem::take(&mut self.window);
        let Some(seen) = window.summary(now) else { return };
        self.trend.add(&seen);
        let in_use = f64::from(seen.in_flight_max) / self.limit;
        let binds = seen.limited || in_use >= BINDING;
        self.binding_windows = if binds { self.binding_windows + 1 } else { 0 };
        if let Some(experiment) = self.experiment.take()
            && self.goes_on(experiment, &seen, now, binds)
        {
            return;
        }
        let is_lossy = seen.loss > LOSS_MAX && seen.lost >= 2;
        let is_slow = seen.samples > 0 && self.is_far_above(&seen);
        if is_lossy && (binds || in_use >= 0.5) {
            return self.cut(self.deep_cut(&seen), &seen, now, Cause::Loss);
        }
        let is_steered = !is_lossy && self.steer_held(&seen, now);
        if is_slow && binds && !is_steered {
            return self.overloaded(&seen, now);
        }
        if is_lossy || seen.samples == 0 {
            return;
        }
        if is_steered {
            // Nothing more is known of a limit that is not filled.
        } else if binds {
            self.steer(&seen, now);
        } else if !seen.limited && in_use < RELAXED && self.is_learnt() {
            self.learn(&seen, learning::SLOW);
            self.forget_cuts();
            self.relaxed_windows += 1;
            if self.doubt == Doubt::New && self.relaxed_windows > RELAXED_WINDOWS {
                self.doubt = Doubt::None;
            }
        }
        if self.trend.is_below() {
            // Calls got faster than the no-load RTT: whatever the load, that was too high.
            self.learn_faster(&seen);
        }
    }

    /// Where one window's overload takes the limit: toward what was in flight and not queued, which
    /// by Little's law is the limit times a call's own time over that with its wait.
    fn deep_cut(&self, seen: &window::Summary) -> f64 {
        let served = self.limit * (1.0 - seen.loss) / (1.0 + self.trend.wait_of(seen.excess));
        (served + self.limit.sqrt()).min(0.9 * self.limit).max(CUT_MIN * self.limit)
    }

    fn overloaded(&mut self, seen: &window::Summary, now: Moment) {
        if self.is_unsteady(seen) {
            return;
        }
        if !self.is_unhealthy(seen) && self.is_test_due(now) {
            return self.test_cuts(seen, now);
        }
        let is_far = self.untested_from.is_some_and(|from| self.limit <= TELLING_CUT * from);
        if is_far && !self.is_unhealthy(seen) {
            // Not further before the test.
            return;
        }
        self.cut(self.deep_cut(seen), seen, now, Cause::Overload);
    }

    /// Whether calls from before a cut are still ending: more were in flight, by Little's law, than
    /// the limit allows.
    fn is_unsteady(&mut self, seen: &window::Summary) -> bool {
        let in_flight = seen.throughput * seen.rtt_mean;
        let is_unsteady = self.untested_from.is_some()
            && in_flight > 1.2 * self.limit + 1.0
            && self.unsteady_windows < UNSTEADY_WINDOWS_MAX;
        self.unsteady_windows = if is_unsteady { self.unsteady_windows + 1 } else { 0 };
        is_unsteady
    }

    fn is_learnt(&self) -> bool {
        self.kinds.iter().all(|kind| kind.samples == 0 || kind.is_learnt)
    }

    /// Whether one window alone shows overload: beyond scatter, or beyond what is ever healthy.
    fn is_far_above(&self, seen: &window::Summary) -> bool {
        self.is_unhealthy(seen)
            || (seen.excess > self.trend.excess_of(OVERLOAD_ABOVE)
                && seen.excess > 4.0 * self.trend.error(seen.samples))
    }

    fn is_unhealthy(&self, seen: &window::Summary) -> bool {
        // One window of calls that happen to be short is no recovery.
        let of_late = if self.trend.is_settled() { self.trend.excess - seen.excess } else { 0.0 };
        let rtt = seen.rtt * of_late.max(0.0).exp();
        self.settings.healthy_rtt_max.is_some_and(|max| rtt > max.as_secs_f64())
    }

    /// Small moves while the limit binds: up while calls are as fast as unloaded, down when they
    /// queue, `sqrt(limit)` at a time at most (Envoy's headroom).
    fn steer(&mut self, seen: &window::Summary, now: Moment) {
        let excess = self.trend.excess;
        let grow_below = self.trend.excess_of(GROW_BELOW);
        let shrink_above = self.trend.excess_of(SHRINK_ABOVE);
        if excess < grow_below && self.trend.is_settled() {
            self.forget_cuts();
        }
        let is_worth_probing = excess <= shrink_above || self.doubt == Doubt::New;
        if is_worth_probing && now >= self.probe_at && self.is_probe_telling() {
            return self.probe(seen, now);
        }
        if excess < grow_below {
            let doubt = excess + 0.5 * self.trend.error_of_trend();
            let eagerness = (1.0 - doubt / grow_below).clamp(0.0, 1.0);
            let is_known_good = self.limit < self.known_good;
            let share = if is_known_good { RETURN_SHARE } else { GROW_SHARE };
            let most = if is_known_good { f64::INFINITY } else { self.limit.sqrt() };
            let step = (share * self.limit).clamp(1.0, most);
            self.set(self.limit + eagerness * step, Cause::Headroom);
            if self.limit >= self.known_good {
                self.known_good = 0.0;
            }
        } else if excess > shrink_above
            && self.trend.is_settled()
            && excess > 2.0 * self.trend.error_of_trend()
        {
            if self.is_unsteady(seen) {
                return;
            }
            if self.is_test_due(now) {
                return self.test_cuts(seen, now);
            }
            let share = (1.0 + SHRINK_ABOVE) / (1.0 + self.trend.wait_of(excess));
            let to = self.limit * share.max(0.9);
            self.cut(to, seen, now, Cause::Queueing);
        }
    }

    fn forget_cuts(&mut self) {
        (self.limit_before, self.untested_from, self.tests_failed) = (None, None, 0);
    }

    fn cut(&mut self, to: f64, seen: &window::Summary, now: Moment, cause: Cause) {
        let from = self.limit;
        self.set(to, cause);
        if self.limit < from {
            self.known_good = self.known_good.max(KNOWN_GOOD * from);
            self.limit_before.get_or_insert(from);
            self.untested_from.get_or_insert(from);
            self.settle(seen, now);
            self.trend.forget();
        } else if from <= f64::from(self.settings.min) {
            self.untested_from.get_or_insert(from);
        }
    }

    /// Waits until a move of the limit shows: what queued has to drain first. Until then calls end
    /// that began before; to leave out just those would leave the short ones and so look fast.
    fn settle(&mut self, seen: &window::Summary, now: Moment) {
        self.valid_from = now + num::seconds(SETTLING_RTTS * seen.rtt).min(SETTLING_MAX);
        // After a raise those count that fill the new room: the first of them wait less.
        self.old_calls = seen.in_flight_max.max(self.limit());
        self.old_until = now + OLD_CALLS_MAX;
    }

    fn set(&mut self, limit: f64, cause: Cause) {
        let ceiling = self.incident.map_or(f64::INFINITY, |incident| {
            let ratio = incident.raised.exp();
            let allowed = if ratio <= RELEASE_RATIO_MAX { ratio } else { 1.0 };
            incident.limit_before * allowed
        });
        let (min, max) = (f64::from(self.settings.min), f64::from(self.settings.max));
        let limit = limit.min(ceiling).clamp(min, max);
        if (limit - self.limit).abs() > f64::EPSILON {
            self.limit = limit;
            self.cause = cause;
        }
    }
}

const SETTLING_RTTS: f64 = 1.5;
const SETTLING_MAX: Duration = Duration::from_secs(1);
const OLD_CALLS_MAX: Duration = Duration::from_secs(2);

impl Limit for Adaptive {
    fn limit(&self) -> u32 {
        num::count(self.limit)
    }

    fn set_bounds(&mut self, min: u32, max: u32) {
        let max = max.max(min);
        if (min, max) == (self.settings.min, self.settings.max) {
            return;
        }
        (self.settings.min, self.settings.max) = (min, max);
        self.set(self.limit, Cause::Set);
    }

    fn on_sample(&mut self, sample: &Sample) {
        if sample.end == End::Ignore {
            return;
        }
        if self.probe_at == Moment::ZERO {
            self.probe_at = sample.ended + PROBE_EVERY / 4;
        }
        self.old_calls = self.old_calls.saturating_sub(1);
        let is_settled = self.old_calls == 0 || sample.ended >= self.old_until;
        let kind = sample.kind.min(self.kinds.len() - 1);
        if let Some(kind) = self.kinds.get_mut(kind)
            && is_settled
            && sample.ended >= self.valid_from
        {
            self.window.add(sample, kind);
        }
        if self.window.is_complete(sample.ended, self.trend.scatter()) {
            self.close_window(sample.ended);
            for kind in &mut self.kinds {
                (kind.recent, kind.recent_sum) = (0.0, 0.0);
            }
        }
    }

    fn is_unsure(&self) -> bool {
        let is_back = self.experiment.as_ref().is_some_and(Experiment::is_back);
        is_back || self.untested_from.is_some_and(|from| self.limit <= DEEP_CUT * from)
    }

    fn no_load_rtt(&self) -> Option<Duration> {
        let kind = self.kinds.first().filter(|kind| kind.samples > 0)?;
        Some(num::seconds(kind.ln.exp()))
    }

    fn cause(&self) -> Cause {
        self.cause
    }
}

#[cfg(test)]
mod tests;
