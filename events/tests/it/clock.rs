//! A clock that runs as tokio's does.

use headgate_types::{Clock, Moment, UnixTime};
use tokio::time::Instant;

/// 2030-01-01T00:00:00Z.
const START: UnixTime = UnixTime::from_secs(1_893_456_000);

/// A clock that runs as tokio's does, from the same day on in each test.
#[derive(Debug)]
pub(crate) struct TokioClock {
    start: Instant,
}

impl TokioClock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Moment {
        Moment::from(self.start.elapsed())
    }

    fn unix_time(&self) -> UnixTime {
        START + self.start.elapsed()
    }
}
