//! The process's one clock.

use std::time::UNIX_EPOCH;

use headgate_types::{Clock, Moment, UnixTime};
use rustix::time::{ClockId, clock_gettime};

/// Reads the machine's clocks: the monotonic one as tokio's timers do, but without the arithmetic
/// of [`std::time::Instant`], since an exchange reads it several times.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let now = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
        Moment::from_nanos(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos))
    }

    #[expect(clippy::disallowed_methods, reason = "everybody else takes this clock")]
    fn unix_time(&self) -> UnixTime {
        let now = std::time::SystemTime::now();
        UnixTime::from_duration(now.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
