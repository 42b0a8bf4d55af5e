//! failsafe-go's adaptive limiter.

use std::{collections::VecDeque, time::Duration};

use headgate_router::overload::limit::{End, Limit, Sample};
use headgate_types::Moment;

const MIN: f64 = 1.0;
const MAX: f64 = 200.0;
const WINDOW_SECONDS: f64 = 1.0;
const WINDOW_SECONDS_MAX: f64 = 30.0;
const WINDOW_SAMPLES: usize = 50;
const QUANTILE: f64 = 0.9;
const SMOOTHING: usize = 5;
const BASELINE_AGE: f64 = 10.0;
const CORRELATION: usize = 50;
const IN_FLIGHT_FACTOR: f64 = 5.0;

/// Vegas' queue estimate on the p90 of a window against a baseline that follows by an average over
/// ten windows, overruled by correlations between in flight, throughput and RTT over 50 windows.
#[derive(Debug)]
pub struct Failsafe {
    limit: f64,
    opened: Option<Moment>,
    rtts: Vec<f64>,
    recent: VecDeque<f64>,
    in_flight_max: u32,
    in_flight_recent: VecDeque<f64>,
    baseline: f64,
    history: VecDeque<[f64; 3]>,
}

impl Failsafe {
    /// Starts at a limit.
    pub fn new(initial: u32) -> Self {
        Self {
            limit: f64::from(initial),
            opened: None,
            rtts: Vec::new(),
            recent: VecDeque::new(),
            in_flight_max: 0,
            in_flight_recent: VecDeque::new(),
            baseline: 0.0,
            history: VecDeque::new(),
        }
    }

    fn update(&mut self, seconds: f64) {
        self.rtts.sort_unstable_by(f64::total_cmp);
        let index = crate::index(self.rtts.len() as f64 * QUANTILE).min(self.rtts.len() - 1);
        let p90 = self.rtts.get(index).copied().unwrap_or(0.0);
        push(&mut self.recent, p90, SMOOTHING);
        let short = median(&self.recent);
        let throughput = self.rtts.len() as f64 / seconds;
        let in_flight = f64::from(self.in_flight_max);
        push(&mut self.in_flight_recent, in_flight, 30);
        self.rtts.clear();
        self.in_flight_max = 0;
        self.baseline = if self.baseline == 0.0 {
            short
        } else {
            self.baseline + (short - self.baseline) / BASELINE_AGE
        };
        push(&mut self.history, [in_flight, throughput, short], CORRELATION);

        let queue = self.limit * (1.0 - self.baseline / short);
        let step = self.limit.log10().max(1.0);
        let (alpha, beta) = (3.0 * step, 6.0 * step);
        let is_full = in_flight >= self.limit * 0.9;
        let throughput_correlation = self.correlation(0, 1);
        let rtt_correlation = self.correlation(0, 2);
        let steady = self.variation(1) < 0.2;
        let is_over = queue > beta
            || (is_full && throughput_correlation < 0.0)
            || (is_full && throughput_correlation < 0.3 && rtt_correlation > 0.5)
            || (steady && rtt_correlation > 0.5);
        let peak = self.in_flight_recent.iter().copied().fold(0.0, f64::max);
        if is_over {
            self.limit -= step;
        } else if queue < alpha && self.limit < IN_FLIGHT_FACTOR * peak {
            self.limit += step;
        }
        self.limit = self.limit.clamp(MIN, MAX);
    }

    fn column(&self, index: usize) -> impl Iterator<Item = f64> + '_ {
        self.history.iter().filter_map(move |row| row.get(index).copied())
    }

    fn mean(&self, index: usize) -> f64 {
        self.column(index).sum::<f64>() / self.history.len().max(1) as f64
    }

    fn correlation(&self, a: usize, b: usize) -> f64 {
        if self.history.len() < 10 {
            return 1.0 - f64::from(u8::from(b == 2));
        }
        let (mean_a, mean_b) = (self.mean(a), self.mean(b));
        let pairs = self.column(a).zip(self.column(b));
        let (mut cross, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
        for (x, y) in pairs {
            cross += (x - mean_a) * (y - mean_b);
            square_a += (x - mean_a).powi(2);
            square_b += (y - mean_b).powi(2);
        }
        let scale = (square_a * square_b).sqrt();
        if scale > 1e-12 { cross / scale } else { 0.0 }
    }

    fn variation(&self, index: usize) -> f64 {
        let mean = self.mean(index);
        let squares = self.column(index).map(|x| (x - mean).powi(2)).sum::<f64>();
        (squares / self.history.len().max(1) as f64).sqrt() / mean.max(1e-9)
    }
}

fn push<T>(values: &mut VecDeque<T>, value: T, most: usize) {
    values.push_back(value);
    if values.len() > most {
        values.pop_front();
    }
}

fn median(values: &VecDeque<f64>) -> f64 {
    let mut sorted: Vec<_> = values.iter().copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

impl Limit for Failsafe {
    fn limit(&self) -> u32 {
        crate::count(self.limit.floor()).max(1)
    }

    fn no_load_rtt(&self) -> Option<Duration> {
        (self.baseline > 0.0).then(|| Duration::from_secs_f64(self.baseline))
    }

    fn on_sample(&mut self, sample: &Sample) {
        if sample.end == End::Ignore {
            return;
        }
        let opened = *self.opened.get_or_insert(sample.ended);
        self.rtts.push(sample.rtt().as_secs_f64());
        self.in_flight_max = self.in_flight_max.max(sample.in_flight);
        let age = sample.ended.since(opened).as_secs_f64();
        let is_full = age >= WINDOW_SECONDS && self.rtts.len() >= WINDOW_SAMPLES;
        if is_full || age >= WINDOW_SECONDS_MAX {
            self.opened = None;
            self.update(age);
        }
    }
}
