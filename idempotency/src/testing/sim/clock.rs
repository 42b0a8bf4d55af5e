//! A machine's clocks, derived from tokio's paused one.

use std::time::Duration;

use headgate_types::{Clock, Moment, UnixTime};
use parking_lot::Mutex;
use tokio::time::Instant;

/// When a run begins by a clock that is right.
const START: Duration = Duration::from_hours(24 * 365 * 130);

/// A clock whose time of day is wrong by so much, and may jump.
#[derive(Debug)]
pub(crate) struct SimClock {
    start: Instant,
    /// How fast it runs; one is right.
    rate: f64,
    /// Milliseconds that the time of day is ahead.
    ahead: Mutex<i64>,
}

impl SimClock {
    /// A clock that runs as it should.
    pub(crate) fn new(start: Instant, ahead: i64) -> Self {
        Self::drifting(start, ahead, 1.0)
    }

    /// A clock that runs too fast or too slow.
    pub(crate) fn drifting(start: Instant, ahead: i64, rate: f64) -> Self {
        Self { start, rate, ahead: Mutex::new(ahead) }
    }

    pub(crate) fn jump(&self, ahead: i64) {
        *self.ahead.lock() = ahead;
    }
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        self.start.elapsed().mul_f64(self.rate).into()
    }

    fn unix_time(&self) -> UnixTime {
        let right = START + self.start.elapsed().mul_f64(self.rate);
        let ahead = *self.ahead.lock();
        let by = Duration::from_millis(ahead.unsigned_abs());
        let wrong = if ahead < 0 { right.saturating_sub(by) } else { right + by };
        UnixTime::from_duration(wrong)
    }
}
