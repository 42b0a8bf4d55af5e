//! The moment by which an exchange must have ended.

use std::time::Duration;

use crate::Moment;

/// The moment by which an exchange must have ended, carried across hops as remaining time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    at: Moment,
}

impl Deadline {
    /// Sets the deadline at a moment.
    pub const fn at(at: Moment) -> Self {
        Self { at }
    }

    /// Sets the deadline a timeout after `now`.
    pub fn after(now: Moment, timeout: Duration) -> Self {
        Self { at: now + timeout }
    }

    /// The moment itself.
    pub const fn moment(self) -> Moment {
        self.at
    }

    /// The time left, or none when the deadline has passed.
    pub fn remaining(self, now: Moment) -> Option<Duration> {
        (now < self.at).then(|| self.at.since(now))
    }

    /// The stricter of two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }
}
