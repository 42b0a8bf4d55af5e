//! Lines of exchanges that were refused for load: so many a second, and one that counts the rest.
//!
//! Under a flood of refusals their lines would cost more than the refusals, and bury all others.
//! Metrics count each of them all the same.

use std::{mem, time::Duration};

use headgate_types::UnixTime;
use parking_lot::Mutex;

/// Lines of refused exchanges that are written in one second; the rest is counted in one line.
pub const REFUSAL_LINES_PER_SECOND: u32 = 100;
/// Codes that one such line tells apart; there are fewer.
const CODES_MAX: usize = 16;
/// Who was left out is told after this at the latest, also when nothing else is refused.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// Refused exchanges of one second that have no line of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// The second that they belong to.
    pub(super) time: UnixTime,
    /// How many, by the code of their answers; empty places behind.
    pub(super) codes: [(&'static str, u64); CODES_MAX],
}

impl LeftOut {
    fn is_empty(&self) -> bool {
        self.codes.iter().all(|(_, count)| *count == 0)
    }

    fn add(&mut self, code: &'static str) {
        let place = self.codes.iter().position(|(known, _)| [code, ""].contains(known));
        if let Some((known, count)) = self.codes.get_mut(place.unwrap_or(CODES_MAX - 1)) {
            *known = code;
            *count += 1;
        }
    }
}

/// Decides which refused exchanges get a line.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    second: u64,
    lines: u32,
    left_out: LeftOut,
    waited: Duration,
}

/// What becomes of a refused exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Whether it gets a line.
    pub(super) has_line: bool,
    /// Those of an earlier second, to be told before it.
    pub(super) before: Option<LeftOut>,
}

impl Refusals {
    /// Counts one whose request came at `time`. What lasted longer counts for the latest second.
    pub(super) fn count(&self, time: UnixTime, code: &'static str) -> Told {
        let mut window = self.0.lock();
        let second = time.as_duration().as_secs();
        let mut before = None;
        if second > window.second {
            before = window.take();
            (window.second, window.lines) = (second, 0);
        }
        if window.lines < REFUSAL_LINES_PER_SECOND {
            window.lines += 1;
            return Told { has_line: true, before };
        }
        if window.left_out.is_empty() {
            (window.left_out.time, window.waited) = (time, Duration::ZERO);
        }
        window.left_out.add(code);
        Told { has_line: false, before }
    }

    /// Those that have waited for long enough, where so much time has passed.
    pub(super) fn overdue(&self, passed: Duration) -> Option<LeftOut> {
        let mut window = self.0.lock();
        window.waited += passed;
        if window.waited < TOLD_AFTER { None } else { window.take() }
    }

    /// All that have not been told.
    pub(super) fn last(&self) -> Option<LeftOut> {
        self.0.lock().take()
    }
}

impl Window {
    fn take(&mut self) -> Option<LeftOut> {
        self.waited = Duration::ZERO;
        let left_out = mem::take(&mut self.left_out);
        (!left_out.is_empty()).then_some(left_out)
    }
}

#[cfg(test)]
mod tests;
