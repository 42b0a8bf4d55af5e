//! Netflix concurrency-limits, `AIMDLimit`.

use headgate_router::overload::limit::{End, Limit, Sample};

const MIN: f64 = 20.0;
const MAX: f64 = 200.0;
const BACKOFF: f64 = 0.9;
const TIMEOUT_SECONDS: f64 = 5.0;

/// Every sample: times 0.9 after a drop or above five seconds, else one more if half is in use.
#[derive(Debug)]
pub struct Aimd {
    limit: f64,
}

impl Aimd {
    /// Starts at a limit.
    pub fn new(initial: u32) -> Self {
        Self { limit: f64::from(initial) }
    }
}

impl Limit for Aimd {
    fn limit(&self) -> u32 {
        crate::count(self.limit.floor())
    }

    fn on_sample(&mut self, sample: &Sample) {
        if sample.end == End::Ignore {
            return;
        }
        if sample.end == End::Dropped || sample.rtt().as_secs_f64() > TIMEOUT_SECONDS {
            self.limit *= BACKOFF;
        } else if f64::from(sample.in_flight) * 2.0 >= self.limit {
            self.limit += 1.0;
        }
        self.limit = self.limit.clamp(MIN, MAX);
    }
}
