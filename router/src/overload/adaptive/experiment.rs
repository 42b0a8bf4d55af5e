//! Small moves of the limit for the sake of what they show.
//!
//! While the limit binds, Little's law holds: calls in flight = throughput * RTT. So two limits and
//! what was seen at each tell whether calls queue. If they do, the throughput is the same at both
//! and the RTT is in proportion to the limit; if they do not, it is the other way round.

use std::time::Duration;

use headgate_types::Moment;

use super::{Adaptive, Incident, LOSS_MAX, OVERLOAD_ABOVE, window};
use crate::overload::limit::Cause;

/// A cut this deep tells queueing from slowness.
pub(super) const TELLING_CUT: f64 = 0.7;
/// Calls after which it is known what there was before an experiment; fewer suffice above this
/// excess, where a wrong cut costs most.
const TELLING_SAMPLES: f64 = 100.0;
const URGENT_ABOVE: f64 = 1.0;
const URGENT_SAMPLES: f64 = 50.0;
/// Errors beyond which a probe's difference counts; and one that would raise the no-load RTT, as
/// many are made and each that errs is drift.
const CERTAIN: f64 = 2.0;
const CERTAIN_UP: f64 = 2.5;
/// Errors beyond which a look back at an earlier limit counts. One more for each that has found a
/// queue at the same cuts, so that a long incident is not talked away by the one that errs.
const CERTAIN_BACK: f64 = 1.75;
const TESTS_FAILED_MAX: u32 = 4;
/// Share of what was tried that must have been won for a verdict beyond doubt.
const PLAIN: f64 = 0.75;
/// Two limits closer than this, as a logarithm, tell nothing.
const DEPTH_MIN: f64 = 0.1;
/// How far a probe goes: as far as the calls that it sees need to tell its two limits apart, within
/// these bounds; and how often probes are made at first and at last.
const PROBE_CUT: f64 = 0.75;
const PROBE_CUT_LEAST: f64 = 0.9;
const PROBE_OVER_ERROR: f64 = 3.0;
/// Windows that a probe expects to last.
const PROBE_WINDOWS: f64 = 8.0;
/// The error of a comparison that suffices, over the logarithm of the move.
const TELLING_ERROR: f64 = 0.5;
const FIRST_PROBE_CUT: f64 = 0.5;
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(2);
const PROBE_EVERY_MAX: Duration = Duration::from_secs(32);
/// Windows in a row in which the limit binds, before it is lowered for a look.
const BINDING_WINDOWS: u32 = 2;
/// Windows after which an experiment that has shown nothing ends.
const WINDOWS_MAX: u32 = 12;
/// Windows in a row that may be passed over as unsteady.
pub(super) const UNSTEADY_WINDOWS_MAX: u32 = 8;

/// What held before a cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Experiment {
    limit: f64,
    throughput: f64,
    excess: f64,
    samples: f64,
    probe: Probe,
    /// What was seen since the cut.
    after: Sums,
}

/// Why the no-load RTT may be too high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It may not.
    None,
    /// It was learnt from calls that may have queued already.
    New,
    /// It was raised.
    Raised,
}

/// A small move of the limit for the sake of what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// Down, to see whether calls queue unnoticed.
    Down,
    /// Up, to see whether the limit holds calls back for nothing.
    Up,
    /// Back up after cuts that did not help, to see whether they cost throughput.
    Back,
}

/// What an experiment has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Calls queue at the higher of the two limits.
    Queueing,
    /// They do not, so the higher limit is the better one.
    NoQueue,
    /// Neither for sure.
    Nothing,
}

/// Several windows of an experiment taken together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    windows: u32,
    samples: u32,
    excess: f64,
    completed: u32,
    seconds: f64,
    /// The calls' times together.
    rtt_seconds: f64,
}

impl Experiment {
    pub(super) fn is_back(&self) -> bool {
        self.probe == Probe::Back
    }
}

impl Sums {
    fn add(&mut self, seen: &window::Summary) {
        self.windows += 1;
        self.samples += seen.samples;
        self.excess += seen.excess * f64::from(seen.samples);
        self.completed += seen.completed;
        self.seconds += seen.seconds;
        self.rtt_seconds += seen.rtt_mean * f64::from(seen.completed);
    }

    fn excess(&self) -> f64 {
        self.excess / f64::from(self.samples.max(1))
    }
}

impl Adaptive {
    /// Whether cuts have gone so far without help that they may have been wrong.
    pub(super) fn is_test_due(&self, now: Moment) -> bool {
        let is_at_min = self.limit < f64::from(self.settings.min) + 0.5 && now >= self.probe_at;
        let is_urgent = self.trend.excess > URGENT_ABOVE;
        let needed = if is_urgent { URGENT_SAMPLES } else { TELLING_SAMPLES };
        let is_known = self.trend.samples() >= needed || self.trend.is_full();
        is_known
            && self.untested_from.is_some_and(|from| is_at_min || self.limit <= TELLING_CUT * from)
    }

    pub(super) fn test_cuts(&mut self, seen: &window::Summary, now: Moment) {
        let from = self.limit;
        let to = self.untested_from.take().unwrap_or(from).max(from / TELLING_CUT);
        self.set(to, Cause::Probe);
        self.start(Probe::Back, from, seen, now);
    }

    /// Now and then moves the limit a little to see what that changes: down while the no-load RTT
    /// may be too high, as then calls queue unnoticed, and up otherwise, as a no-load RTT that is
    /// too low holds the limit where calls do not queue at all.
    pub(super) fn probe(&mut self, seen: &window::Summary, now: Moment) {
        let cut = self.probe_cut(seen);
        let (kind, to) = match self.doubt {
            Doubt::New => (Probe::Down, self.limit * FIRST_PROBE_CUT),
            Doubt::Raised => (Probe::Down, self.limit * cut),
            Doubt::None => (Probe::Up, self.limit / cut),
        };
        let from = self.limit;
        self.probe_at = now + self.probe_every;
        self.set(to, Cause::Probe);
        if (self.limit / from).ln().abs() < 0.8 * cut.ln().abs() {
            // Too close to a bound to tell anything.
            return self.set(from, Cause::Probe);
        }
        self.start(kind, from, seen, now);
    }

    /// Whether enough is known of this limit to compare another one with it. Without that a probe
    /// lasts and shows nothing.
    pub(super) fn is_probe_telling(&self) -> bool {
        let depth = match self.doubt {
            Doubt::New => FIRST_PROBE_CUT,
            Doubt::Raised | Doubt::None => PROBE_CUT,
        };
        let known = self.trend.samples();
        let error = self.error_of_move(known, known);
        // To cut for a look is cheap only for whom the limit binds anyway.
        let is_binding = self.binding_windows >= BINDING_WINDOWS;
        (is_binding || self.doubt == Doubt::None)
            && self.trend.is_settled()
            && (error <= TELLING_ERROR * depth.ln().abs() || self.trend.is_full())
    }

    fn probe_cut(&self, seen: &window::Summary) -> f64 {
        let after = PROBE_WINDOWS * f64::from(seen.completed.max(1));
        let error = self.error_of_move(self.trend.samples(), after);
        (-PROBE_OVER_ERROR * error).exp().clamp(PROBE_CUT, PROBE_CUT_LEAST)
    }

    fn start(&mut self, probe: Probe, limit: f64, seen: &window::Summary, now: Moment) {
        self.experiment = Some(Experiment {
            limit,
            throughput: self.trend.throughput,
            excess: self.trend.excess,
            samples: self.trend.samples(),
            probe,
            after: Sums::default(),
        });
        self.settle(seen, now);
        self.trend.forget();
    }

    /// Takes a window into an experiment. False when it was broken off.
    pub(super) fn goes_on(
        &mut self,
        mut experiment: Experiment,
        seen: &window::Summary,
        now: Moment,
        binds: bool,
    ) -> bool {
        let is_back = experiment.probe == Probe::Back;
        let is_idle = !binds && !is_back;
        let is_void = seen.samples == 0 || seen.completed == 0 || seen.loss > LOSS_MAX || is_idle;
        if is_void || (!is_back && seen.excess > self.trend.excess_of(OVERLOAD_ABOVE)) {
            self.set(experiment.limit, Cause::Probe);
            return false;
        }
        if self.is_unsteady(seen) {
            self.experiment = Some(experiment);
            return true;
        }
        experiment.after.add(seen);
        if is_back {
            return self.look_back(experiment, seen, now, binds);
        }
        let (paid_over_won, noise) = self.weigh(&experiment);
        // Judged once, when enough was seen: a look after each window would find what it wants.
        let depth = (experiment.limit / self.limit).ln().abs();
        if noise >= TELLING_ERROR * depth && experiment.after.windows < WINDOWS_MAX {
            self.experiment = Some(experiment);
            return true;
        }
        let certain = if experiment.probe == Probe::Up { CERTAIN_UP } else { CERTAIN };
        let finding = if paid_over_won.abs() <= certain * noise {
            Finding::Nothing
        } else if (paid_over_won < 0.0) == (experiment.probe == Probe::Down) {
            Finding::Queueing
        } else {
            Finding::NoQueue
        };
        self.conclude(&experiment, finding, now);
        self.settle(seen, now);
        self.trend.forget();
        true
    }

    /// Judges whether calls queued at the lower limit, now that the earlier one has been tried
    /// again. The better limit may lie between the two: it is where the throughput of the higher
    /// one would be reached without a wait.
    fn look_back(
        &mut self,
        experiment: Experiment,
        seen: &window::Summary,
        now: Moment,
        binds: bool,
    ) -> bool {
        let after = experiment.after;
        // Where fewer came than were let in, those in flight are the higher limit, by Little's law.
        let in_flight = after.rtt_seconds / after.seconds.max(1e-3);
        let reached = if binds { self.limit } else { in_flight.min(self.limit) };
        let depth = (reached / experiment.limit).ln().max(0.0);
        let completed = f64::from(after.completed.max(1));
        let slower = after.excess() - experiment.excess;
        let noise = 0.5 * self.error_of_move(experiment.samples, completed);
        // Twice the same by Little's law, so that the mean of both errs less than either.
        let more = (completed / after.seconds.max(1e-3) / experiment.throughput.max(1e-3)).ln();
        let no_longer = depth - (1.0 + self.trend.wait_of(slower)).ln();
        let gain = f64::midpoint(more, no_longer);
        if noise >= 0.2 * depth && after.windows < WINDOWS_MAX {
            self.experiment = Some(experiment);
            return true;
        }
        // Far above the no-load RTT the better limit may be anywhere between the two. Near it, only
        // calls that have become slower as a whole are worth another one.
        let least = if experiment.excess > URGENT_ABOVE { 0.0 } else { 0.5 * depth };
        let certain = least + (CERTAIN_BACK + f64::from(self.tests_failed)) * noise;
        let is_whole = gain > PLAIN * depth;
        self.probe_every = (self.probe_every * 2).min(PROBE_EVERY_MAX);
        if depth > DEPTH_MIN && (gain > certain || is_whole) {
            self.tests_failed = 0;
            // A little more costs a short wait, a little less costs throughput.
            let better = experiment.limit * (gain + noise).clamp(0.0, depth).exp();
            let (few, many) = (experiment.samples, f64::from(after.samples));
            let many = if is_whole { many } else { 0.0 };
            let raise = (experiment.excess * few + after.excess() * many) / (few + many);
            if raise > 0.0 {
                self.rebase(raise);
                self.set(better, Cause::Rebaselined);
            }
        } else {
            self.tests_failed = (self.tests_failed + 1).min(TESTS_FAILED_MAX);
            self.set(experiment.limit, Cause::Probe);
        }
        self.probe_at = now + self.probe_every;
        self.settle(seen, now);
        self.trend.forget();
        true
    }

    /// Acts on what an experiment has shown.
    fn conclude(&mut self, experiment: &Experiment, finding: Finding, now: Moment) {
        let excess = experiment.after.excess();
        let is_off = excess.abs() > 3.0 * self.trend.error(experiment.after.samples);
        self.probe_every = (self.probe_every * 2).min(PROBE_EVERY_MAX);
        match (experiment.probe, finding) {
            // Calls queued, though they were thought unloaded: the cut has shown the RTT without.
            (Probe::Down, Finding::Queueing) if is_off && excess < 0.0 => {
                self.shift_no_load_rtt(excess);
                self.probe_every = PROBE_EVERY / 2;
            }
            // Calls did not queue during the probe, which makes it a good look.
            (Probe::Down, Finding::NoQueue) => {
                // Only downward: that they were slow for a moment raises nothing.
                if is_off && excess < 0.0 {
                    self.shift_no_load_rtt(excess);
                }
                self.doubt = if self.incident.is_some() { Doubt::Raised } else { Doubt::None };
                self.set(experiment.limit, Cause::Probe);
            }
            (Probe::Up, Finding::NoQueue) => {
                if is_off && excess > 0.0 {
                    self.shift_no_load_rtt(excess);
                    self.doubt = Doubt::Raised;
                    self.probe_every = PROBE_EVERY;
                }
            }
            _ => self.set(experiment.limit, Cause::Probe),
        }
        self.probe_at = now + self.probe_every;
    }

    /// The cuts cost throughput and won no time: the calls themselves take longer.
    fn rebase(&mut self, raise: f64) {
        let limit_before = self.limit_before.unwrap_or(self.limit);
        let incident = self.incident.get_or_insert(Incident { limit_before, raised: 0.0 });
        incident.raised += raise;
        self.shift_no_load_rtt(raise);
        self.cause = Cause::Rebaselined;
        self.doubt = Doubt::Raised;
        self.probe_every = PROBE_EVERY * 2;
    }

    /// How much more throughput a move of the limit has cost than it has won in time, as
    /// logarithms, and the error of that. Positive after a cut, or negative after a raise, means
    /// that calls do not queue.
    fn weigh(&self, experiment: &Experiment) -> (f64, f64) {
        let after = experiment.after;
        let completed = f64::from(after.completed.max(1));
        let won = experiment.excess - after.excess();
        let paid = (experiment.throughput * after.seconds / completed).ln();
        (paid - won, self.error_of_move(experiment.samples, completed))
    }

    /// The error of what [`Self::weigh`] finds from so many calls before and after.
    fn error_of_move(&self, before: f64, after: f64) -> f64 {
        let calls = before.max(1.0).recip() + after.max(1.0).recip();
        (calls * (self.trend.times_variance() + self.trend.variance())).sqrt()
    }
}
