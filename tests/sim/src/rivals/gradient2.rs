//! Netflix concurrency-limits, `Gradient2Limit` in a `WindowedLimit`.

use std::time::Duration;

use headgate_router::overload::limit::{End, Limit, Sample};
use headgate_types::Moment;

const MIN: f64 = 20.0;
const MAX: f64 = 200.0;
const QUEUE: f64 = 4.0;
const SMOOTHING: f64 = 0.2;
const LONG_WINDOW: f64 = 600.0;
const WARM_UP: u32 = 10;
const TOLERANCE: f64 = 1.5;
const WINDOW_SECONDS: f64 = 1.0;
const WINDOW_SAMPLES: u32 = 10;

/// `limit = limit * clamp(tolerance * long / short, 0.5, 1) + queue`, smoothed by 0.2, over windows
/// of a second; `long` is an exponential average over 600 windows. Drops are ignored.
#[derive(Debug)]
pub struct Gradient2 {
    limit: f64,
    long: f64,
    warm_up: u32,
    window: Window,
}

/// Mean RTT of a second, as `AverageSampleWindow`.
#[derive(Debug, Default)]
pub(super) struct Window {
    opened: Option<Moment>,
    sum: f64,
    pub(super) count: u32,
    pub(super) in_flight_max: u32,
    pub(super) dropped: bool,
}

impl Window {
    /// Adds a sample; gives the mean RTT in seconds when the window is full.
    pub(super) fn add(&mut self, sample: &Sample) -> Option<(f64, Self)> {
        let opened = *self.opened.get_or_insert(sample.ended);
        self.sum += sample.rtt().as_secs_f64();
        self.count += 1;
        self.in_flight_max = self.in_flight_max.max(sample.in_flight);
        self.dropped |= sample.end == End::Dropped;
        let is_full = sample.ended.since(opened).as_secs_f64() >= WINDOW_SECONDS;
        (is_full && self.count >= WINDOW_SAMPLES).then(|| {
            let window = std::mem::take(self);
            (window.sum / f64::from(window.count), window)
        })
    }
}

impl Gradient2 {
    /// Starts at a limit.
    pub fn new(initial: u32) -> Self {
        Self { limit: f64::from(initial), long: 0.0, warm_up: 0, window: Window::default() }
    }
}

impl Limit for Gradient2 {
    fn limit(&self) -> u32 {
        crate::count(self.limit.floor())
    }

    fn no_load_rtt(&self) -> Option<Duration> {
        (self.long > 0.0).then(|| Duration::from_secs_f64(self.long))
    }

    fn on_sample(&mut self, sample: &Sample) {
        if sample.end == End::Ignore {
            return;
        }
        let Some((short, window)) = self.window.add(sample) else { return };
        if self.warm_up < WARM_UP {
            self.warm_up += 1;
            self.long += (short - self.long) / f64::from(self.warm_up);
        } else {
            self.long += (short - self.long) * 2.0 / (LONG_WINDOW + 1.0);
        }
        if self.long / short > 2.0 {
            self.long *= 0.95;
        }
        if f64::from(window.in_flight_max) < self.limit / 2.0 {
            return;
        }
        let gradient = (TOLERANCE * self.long / short).clamp(0.5, 1.0);
        let new = self.limit * gradient + QUEUE;
        let new = self.limit * (1.0 - SMOOTHING) + new * SMOOTHING;
        self.limit = new.clamp(MIN, MAX);
    }
}
