//! Netflix concurrency-limits, `VegasLimit` in a `WindowedLimit`.

use std::time::Duration;

use headgate_router::overload::limit::{End, Limit, Sample};

use super::gradient2::Window;

const MAX: f64 = 1000.0;
const PROBE_MULTIPLIER: f64 = 30.0;

/// `queue = ceil(limit * (1 - no_load / rtt))`; alpha, beta and the step are 3, 6 and 1 times
/// log10 of the limit; the no-load RTT is the smallest seen since the last probe.
#[derive(Debug)]
pub struct Vegas {
    limit: f64,
    no_load: f64,
    probe_count: f64,
    jitter: f64,
    random: fastrand::Rng,
    window: Window,
}

impl Vegas {
    /// Starts at a limit.
    pub fn new(initial: u32) -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let jitter = f64::midpoint(1.0, random.f64());
        let window = Window::default();
        Self { limit: f64::from(initial), no_load: 0.0, probe_count: 0.0, jitter, random, window }
    }
}

impl Limit for Vegas {
    fn limit(&self) -> u32 {
        crate::count(self.limit.floor())
    }

    fn no_load_rtt(&self) -> Option<Duration> {
        (self.no_load > 0.0).then(|| Duration::from_secs_f64(self.no_load))
    }

    fn on_sample(&mut self, sample: &Sample) {
        if sample.end == End::Ignore {
            return;
        }
        let Some((rtt, window)) = self.window.add(sample) else { return };
        self.probe_count += 1.0;
        if self.jitter * PROBE_MULTIPLIER * self.limit <= self.probe_count {
            self.jitter = f64::midpoint(1.0, self.random.f64());
            (self.probe_count, self.no_load) = (0.0, rtt);
            return;
        }
        if self.no_load == 0.0 || rtt < self.no_load {
            self.no_load = rtt;
            return;
        }
        let step = self.limit.log10().max(1.0);
        let (alpha, beta) = (3.0 * step, 6.0 * step);
        let queue = (self.limit * (1.0 - self.no_load / rtt)).ceil();
        let new = if window.dropped {
            self.limit - step
        } else if f64::from(window.in_flight_max) * 2.0 < self.limit {
            return;
        } else if queue <= step {
            self.limit + beta
        } else if queue < alpha {
            self.limit + step
        } else if queue > beta {
            self.limit - step
        } else {
            return;
        };
        self.limit = new.clamp(1.0, MAX);
    }
}
