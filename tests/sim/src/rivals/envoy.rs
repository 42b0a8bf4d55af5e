//! Envoy's adaptive concurrency filter, gradient controller.

use std::time::Duration;

use headgate_router::overload::limit::{End, Limit, Sample};
use headgate_types::Moment;

const UPDATE: Duration = Duration::from_millis(100);
const MIN_RTT_EVERY: Duration = Duration::from_mins(1);
const JITTER: f64 = 0.15;
const MIN_RTT_SAMPLES: usize = 50;
const BUFFER: f64 = 0.25;
const MIN: f64 = 3.0;
const MAX: f64 = 1000.0;
const WINDOWS_AT_MIN: u32 = 5;

/// `limit = limit * g + sqrt(limit * g)` with `g = clamp(1.25 * min_rtt / p50, 0.5, 2)` each 100 ms;
/// every minute the limit is pinned to 3 for 50 requests whose p50 becomes `min_rtt`.
#[derive(Debug)]
pub struct EnvoyGradient {
    limit: f64,
    before_probe: f64,
    min_rtt: f64,
    samples: Vec<f64>,
    probing_since: Option<Moment>,
    update_at: Moment,
    probe_at: Moment,
    at_min: u32,
    random: fastrand::Rng,
}

impl EnvoyGradient {
    /// Starts by measuring; `initial` is the limit that it then goes on from.
    pub fn new(initial: u32) -> Self {
        Self {
            limit: MIN,
            before_probe: f64::from(initial),
            min_rtt: 0.0,
            samples: Vec::new(),
            probing_since: Some(Moment::ZERO),
            update_at: Moment::ZERO,
            probe_at: Moment::ZERO,
            at_min: 0,
            random: fastrand::Rng::with_seed(11),
        }
    }

    fn p50(&mut self) -> f64 {
        self.samples.sort_unstable_by(f64::total_cmp);
        let middle = self.samples.len() / 2;
        let p50 = self.samples.get(middle).copied().unwrap_or(0.0);
        self.samples.clear();
        p50
    }

    fn start_probe(&mut self, now: Moment) {
        self.before_probe = self.limit;
        self.limit = MIN;
        self.samples.clear();
        self.probing_since = Some(now);
        self.at_min = 0;
    }
}

impl Limit for EnvoyGradient {
    fn limit(&self) -> u32 {
        crate::count(self.limit.floor())
    }

    fn no_load_rtt(&self) -> Option<Duration> {
        (self.min_rtt > 0.0).then(|| Duration::from_secs_f64(self.min_rtt))
    }

    fn on_sample(&mut self, sample: &Sample) {
        if sample.end != End::Success {
            return;
        }
        let now = sample.ended;
        if let Some(since) = self.probing_since {
            if sample.started < since {
                return;
            }
            self.samples.push(sample.rtt().as_secs_f64());
            if self.samples.len() >= MIN_RTT_SAMPLES {
                self.min_rtt = self.p50();
                self.limit = self.before_probe.max(MIN);
                self.probing_since = None;
                self.update_at = now + UPDATE;
                self.probe_at = now + MIN_RTT_EVERY.mul_f64(1.0 + JITTER * self.random.f64());
            }
            return;
        }
        self.samples.push(sample.rtt().as_secs_f64());
        if now < self.update_at {
            return;
        }
        self.update_at = now + UPDATE;
        let p50 = self.p50();
        let gradient = (self.min_rtt * (1.0 + BUFFER) / p50.max(1e-9)).clamp(0.5, 2.0);
        let limit = self.limit * gradient;
        self.limit = (limit + limit.sqrt()).clamp(MIN, MAX);
        self.at_min = if self.limit <= MIN { self.at_min + 1 } else { 0 };
        if now >= self.probe_at || self.at_min >= WINDOWS_AT_MIN {
            self.start_probe(now);
        }
    }
}
