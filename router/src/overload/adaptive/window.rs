//! What a limit's rule remembers of calls: the window that fills, and the trend over windows.

use std::time::Duration;

use headgate_types::Moment;

use crate::overload::limit::{End, Sample};

/// A window lasts twice the no-load RTT within these bounds.
const LENGTH_MIN: Duration = Duration::from_millis(100);
const LENGTH_MAX: Duration = Duration::from_secs(1);
/// Calls that a window needs; a quiet upstream's window waits for them.
const SAMPLES_MIN: f64 = 20.0;
/// But no longer than this.
const LENGTH_LONGEST: Duration = Duration::from_secs(10);
/// The first calls of a kind set its no-load RTT: so many, and until so many RTTs have passed, as
/// of calls that began together the short ones end first.
const FIRST_SAMPLES: u32 = 200;
const FIRST_RTTS: f64 = 4.0;

/// Calls with a no-load RTT of their own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    /// Logarithm of the no-load RTT in seconds.
    pub(super) ln: f64,
    /// Calls it was first learnt from.
    pub(super) samples: u32,
    /// When the first of them began, and whether all have been seen.
    began: Option<Moment>,
    pub(super) is_learnt: bool,
    /// The open window's calls of this kind, and the sum of their excess.
    pub(super) recent: f64,
    pub(super) recent_sum: f64,
    /// Its own excess since the limit last moved while a share was held back, and from how many
    /// calls that is known.
    pub(super) excess: f64,
    pub(super) excess_samples: f64,
}

/// The calls that ended since the window opened.
#[derive(Debug, Default)]
pub(super) struct Window {
    opened: Option<Moment>,
    samples: u32,
    completed: u32,
    lost: u32,
    sum: f64,
    sum_squares: f64,
    sum_rtt: f64,
    sum_ln_no_load: f64,
    in_flight_max: u32,
    limited: bool,
    held_back: bool,
    sum_in_flight: f64,
}

/// What a window has shown.
#[derive(Debug)]
pub(super) struct Summary {
    /// Calls whose time counts.
    pub(super) samples: u32,
    /// Calls answered.
    pub(super) completed: u32,
    /// Calls refused or timed out.
    pub(super) lost: u32,
    /// Their share.
    pub(super) loss: f64,
    /// Calls answered a second.
    pub(super) throughput: f64,
    /// How long the window was.
    pub(super) seconds: f64,
    /// Mean logarithm of RTT over no-load RTT.
    pub(super) excess: f64,
    /// Variance of that logarithm between calls.
    pub(super) variance: f64,
    /// The typical RTT in seconds: the geometric mean, near the median.
    pub(super) rtt: f64,
    /// The mean RTT in seconds.
    pub(super) rtt_mean: f64,
    /// Most calls in flight.
    pub(super) in_flight_max: u32,
    /// Whether anyone was refused or waited for a permit.
    pub(super) limited: bool,
    /// Whether that was because of seats kept for a partition.
    pub(super) held_back: bool,
    /// Calls in flight, as a mean over the calls when each was let in.
    pub(super) in_flight: f64,
}

impl Window {
    pub(super) fn add(&mut self, sample: &Sample, kind: &mut Kind) {
        self.opened.get_or_insert(sample.ended);
        self.in_flight_max = self.in_flight_max.max(sample.in_flight);
        self.limited |= sample.limited;
        self.held_back |= sample.held_back;
        self.sum_in_flight += f64::from(sample.in_flight);
        let ln = sample.rtt().as_secs_f64().max(1e-6).ln();
        if sample.end == End::Dropped {
            self.lost += 1;
            // A timeout took at least that long; a refusal at once says nothing of time.
            if kind.samples == 0 || ln < kind.ln {
                return;
            }
        } else {
            self.completed += 1;
            if !kind.is_learnt {
                let began = *kind.began.get_or_insert(sample.started);
                kind.samples += 1;
                // Later ones weigh more.
                kind.ln += (ln - kind.ln) * 2.0 / f64::from(kind.samples + 1);
                let rtts = sample.ended.since(began).as_secs_f64() / kind.ln.exp();
                kind.is_learnt = kind.samples >= FIRST_SAMPLES && rtts >= FIRST_RTTS;
            }
        }
        let excess = ln - kind.ln;
        kind.recent += 1.0;
        kind.recent_sum += excess;
        self.samples += 1;
        self.sum_rtt += sample.rtt().as_secs_f64();
        self.sum += excess;
        self.sum_squares += excess * excess;
        self.sum_ln_no_load += kind.ln;
    }

    /// `scatter` is the variance of the calls' times as a multiple of what is usual.
    pub(super) fn is_complete(&self, now: Moment, scatter: f64) -> bool {
        let Some(opened) = self.opened else { return false };
        let age = now.since(opened);
        let no_load = (self.sum_ln_no_load / f64::from(self.samples.max(1))).exp().min(10.0);
        let length = Duration::from_secs_f64(2.0 * no_load).clamp(LENGTH_MIN, LENGTH_MAX);
        let needed = SAMPLES_MIN * scatter.clamp(1.0, 8.0);
        let is_filled = f64::from(self.samples + self.lost) >= needed && age >= length;
        is_filled || age >= LENGTH_LONGEST
    }

    pub(super) fn summary(self, now: Moment) -> Option<Summary> {
        let age = now.since(self.opened?).as_secs_f64();
        let samples = f64::from(self.samples.max(1));
        let excess = self.sum / samples;
        let variance = (self.sum_squares / samples - excess * excess).max(0.0);
        let ln_no_load = self.sum_ln_no_load / samples;
        let ended = self.completed + self.lost;
        Some(Summary {
            samples: self.samples,
            completed: self.completed,
            lost: self.lost,
            loss: f64::from(self.lost) / f64::from(ended.max(1)),
            throughput: f64::from(self.completed) / age.max(1e-3),
            seconds: age,
            excess,
            variance,
            rtt: (ln_no_load + excess).exp(),
            rtt_mean: self.sum_rtt / samples,
            in_flight_max: self.in_flight_max,
            in_flight: self.sum_in_flight / f64::from(ended.max(1)),
            limited: self.limited,
            held_back: self.held_back,
        })
    }
}

/// The excess over many windows, as precise as steering needs.
#[derive(Debug)]
pub(super) struct Trend {
    pub(super) excess: f64,
    pub(super) throughput: f64,
    samples: f64,
    variance: f64,
    /// The variance while calls do not queue: a wait that all share brings them closer together.
    own_variance: f64,
}

/// The error of the mean that the trend aims at: a third of the band between grow and shrink.
const ERROR: f64 = 0.06;
/// Calls that the trend remembers, at least and at most.
const MEMORY_MIN: f64 = 60.0;
const MEMORY_MAX: f64 = 1000.0;
/// But no fewer windows than this, as a busy upstream gives precision for nothing.
const MEMORY_WINDOWS: f64 = 3.0;

/// Nodes and weights of the Gauss-Hermite quadrature of order five, for the normal distribution.
const NODES: [(f64, f64); 5] = [
    (-2.856_970_013_872_806, 0.011_257_411_327_720_69),
    (-1.355_626_179_974_266, 0.222_075_922_005_612_6),
    (0.0, 0.533_333_333_333_333_3),
    (1.355_626_179_974_266, 0.222_075_922_005_612_6),
    (2.856_970_013_872_806, 0.011_257_411_327_720_69),
];
/// Beyond this the tails are not lognormal but a mixture.
const VARIANCE_MAX: f64 = 4.0;
/// No wait is taken for longer than so many mean times, as a logarithm.
const LN_WAIT_MAX: f64 = 7.0;

/// Variance of the logarithm of an Erlang-2 time: the trigamma function at 2.
const USUAL_VARIANCE: f64 = 0.645;

impl Default for Trend {
    fn default() -> Self {
        Self {
            excess: 0.0,
            throughput: 0.0,
            samples: 0.0,
            variance: USUAL_VARIANCE,
            own_variance: USUAL_VARIANCE,
        }
    }
}

impl Trend {
    pub(super) fn add(&mut self, seen: &Summary) {
        if seen.samples == 0 {
            return;
        }
        let samples = f64::from(seen.samples);
        let share = (samples / 500.0).min(0.2);
        self.variance += (seen.variance - self.variance) * share;
        if seen.variance > self.own_variance || seen.excess < 0.1 {
            self.own_variance += (seen.variance - self.own_variance) * share;
        }
        let precise = self.precise();
        let memory = precise.max(MEMORY_WINDOWS * samples);
        self.samples = (self.samples + samples).min(memory);
        let share = (samples / self.samples).min(1.0);
        self.excess += (seen.excess - self.excess) * share;
        self.throughput += (seen.throughput - self.throughput) * share;
    }

    /// Calls after which the mean is as precise as the trend aims at.
    pub(super) fn precise(&self) -> f64 {
        (self.variance / (ERROR * ERROR)).clamp(MEMORY_MIN, MEMORY_MAX)
    }

    /// Whether as much is remembered as ever will be.
    pub(super) fn is_full(&self) -> bool {
        self.samples >= self.precise()
    }

    /// Calls that are remembered.
    pub(super) fn samples(&self) -> f64 {
        self.samples
    }

    /// Variance of the logarithm of RTT over no-load RTT between calls.
    pub(super) fn variance(&self) -> f64 {
        self.variance
    }

    /// Variance of a call's own time as a multiple of its squared mean, were it lognormal. So many
    /// times the variance of a Poisson process has the count of calls that end on busy slots.
    pub(super) fn times_variance(&self) -> f64 {
        (self.own_variance.exp() - 1.0).clamp(0.5, 20.0)
    }

    /// The excess that a wait shows, given as a multiple of a call's mean time.
    ///
    /// The mean of `ln(1 + wait / time)` over calls with lognormal times of the variance that was
    /// seen, by Gauss-Hermite quadrature. The more times scatter, the further is the typical one
    /// below the mean, and the more the same wait shows: twice at a sigma of 1.5 what it does at
    /// 0.8.
    pub(super) fn excess_of(&self, wait: f64) -> f64 {
        let variance = self.own_variance.min(VARIANCE_MAX);
        let term = |(node, weight): &(f64, f64)| {
            weight * (wait * (variance / 2.0 + variance.sqrt() * node).exp()).ln_1p()
        };
        NODES.iter().map(term).sum()
    }

    /// The wait that shows as this excess: the inverse of [`Trend::excess_of`], by bisection.
    pub(super) fn wait_of(&self, excess: f64) -> f64 {
        let (mut low, mut high) = (0.0, excess.clamp(0.0, LN_WAIT_MAX).exp() - 1.0);
        for _ in 0..24 {
            let middle = f64::midpoint(low, high);
            if self.excess_of(middle) < excess {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }

    /// The error of a mean over that many calls.
    pub(super) fn error(&self, samples: u32) -> f64 {
        (self.variance / f64::from(samples.max(1))).sqrt()
    }

    pub(super) fn error_of_trend(&self) -> f64 {
        (self.variance / self.samples.max(1.0)).sqrt()
    }

    /// The calls' variance over that of an Erlang-2 time's logarithm.
    pub(super) fn scatter(&self) -> f64 {
        self.variance / USUAL_VARIANCE
    }

    /// Whether enough is remembered to judge by.
    pub(super) fn is_settled(&self) -> bool {
        self.samples >= MEMORY_MIN
    }

    /// Whether calls are faster than the no-load RTT beyond doubt.
    pub(super) fn is_below(&self) -> bool {
        self.excess < -0.1 && -self.excess > 4.0 * self.error_of_trend()
    }

    /// Forgets what earlier limits have shown.
    pub(super) fn forget(&mut self) {
        self.excess = 0.0;
        self.samples = 0.0;
    }

    /// Weighs what comes as much as what was.
    pub(super) fn forget_some(&mut self) {
        self.excess *= 0.5;
        self.samples *= 0.5;
    }
}
