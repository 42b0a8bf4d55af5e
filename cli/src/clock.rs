//! The process's one clock.

use std::time::UNIX_EPOCH;

use headgate_types::{Clock, Moment, UnixTime};
use tokio::time::Instant;

/// Reads the machine's clocks.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::from(self.start.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "everybody else takes this clock")]
    fn unix_time(&self) -> UnixTime {
        let now = std::time::SystemTime::now();
        UnixTime::from_duration(now.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}
