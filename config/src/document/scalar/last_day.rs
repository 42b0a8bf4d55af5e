//! When something ends.

use std::fmt;

use headgate_types::UnixTime;

use super::read_date;

/// The end of a day in UTC, or a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastDay {
    /// The first second, since the epoch, in which it is over.
    over_at: u64,
    is_day: bool,
}

const DAY: u64 = 86_400;
/// Characters of `2027-03-31`.
const DAY_CHARS: usize = 10;

impl LastDay {
    /// Reads `2027-03-31`, which counts to its end, or RFC 3339 with `Z`.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() != DAY_CHARS {
            return Some(Self { over_at: read_date(text)?, is_day: false });
        }
        let begins = read_date(&format!("{text}T00:00:00Z"))?;
        Some(Self { over_at: begins + DAY, is_day: true })
    }

    /// The day of a moment, in seconds since the epoch.
    pub(crate) const fn day_of(seconds: u64) -> Self {
        Self { over_at: (seconds / DAY + 1) * DAY, is_day: true }
    }

    /// From when on it is over.
    pub(crate) const fn over_from(self) -> UnixTime {
        UnixTime::from_secs(self.over_at)
    }

    /// Whether it is over.
    pub(crate) fn is_over(self, now: UnixTime) -> bool {
        now.as_secs() >= self.over_at
    }

    /// Whole days that are left, counted up: 1 on the last one, 0 when it is over.
    pub(crate) fn days_left(self, now: UnixTime) -> u64 {
        self.over_at.saturating_sub(now.as_secs()).div_ceil(DAY)
    }
}

/// A number of days in words.
pub(crate) fn count_of_days(days: u64) -> String {
    let noun = if days == 1 { "day" } else { "days" };
    format!("{days} {noun}")
}

/// As it was written.
impl fmt::Display for LastDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begins = if self.is_day { self.over_at.saturating_sub(DAY) } else { self.over_at };
        let moment = UnixTime::from_secs(begins).to_string();
        let day = moment.get(..DAY_CHARS).filter(|_| self.is_day);
        f.write_str(day.unwrap_or(&moment))
    }
}
