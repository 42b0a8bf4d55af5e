//! Clocks and chance that a test controls.

use std::time::Duration;

use headgate_types::{Clock, Moment, UnixTime};
use parking_lot::Mutex;

use crate::random::Random;

/// When tests begin: 2100-01-01T00:00:00Z, so that no store expires what they write by its own
/// clock.
const START: UnixTime = UnixTime::from_secs(4_102_444_800);

/// A clock that moves when it is told to.
#[derive(Debug)]
pub struct ManualClock {
    times: Mutex<(Moment, UnixTime)>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// A clock that stands.
    pub fn new() -> Self {
        Self { times: Mutex::new((Moment::ZERO, START)) }
    }

    /// Moves both times on.
    pub fn advance(&self, by: Duration) {
        let mut times = self.times.lock();
        *times = (times.0 + by, times.1 + by);
    }

    /// Sets the time of day, and leaves the monotonic clock alone.
    pub fn set_unix_time(&self, to: UnixTime) {
        self.times.lock().1 = to;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        self.times.lock().0
    }

    fn unix_time(&self) -> UnixTime {
        self.times.lock().1
    }
}

/// Chance that repeats itself.
#[derive(Debug)]
pub struct SeededRandom(Mutex<fastrand::Rng>);

impl SeededRandom {
    /// The same bits for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Random for SeededRandom {
    fn bits(&self) -> u64 {
        self.0.lock().u64(..)
    }
}
