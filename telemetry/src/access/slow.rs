//! Exchanges that took longer than they should: told one by one, so many a second.

use std::mem;

use parking_lot::Mutex;

use super::{Line, TEXT_BYTES_MAX, micros, steps};

/// Tells of slow exchanges in the process's own log.
#[derive(Debug, Default)]
pub struct SlowLog(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    second: u64,
    told: u32,
    /// Those of earlier seconds and of this one that were not told.
    left_out: u64,
}

impl SlowLog {
    /// Tells of one with where its time went, unless `per_second` of this second are told already:
    /// those are counted with the next one that is told. Returns whether it was told.
    pub fn tell(&self, line: &Line<'_>, per_second: u32) -> bool {
        let second = line.time.as_secs();
        let Some(left_out) = self.0.lock().count(second, per_second) else { return false };
        let steps: Vec<_> = steps(line).iter().map(ToString::to_string).collect();
        let path = line.request.path;
        let path = path.get(..path.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
        tracing::warn!(
            trace_id = %line.trace.trace_id,
            team = line.text("team"),
            route = line.text("route"),
            method = line.request.method,
            ?path,
            outcome = line.outcome.as_str(),
            status = line.status,
            duration_us = micros(line.duration),
            steps = steps.join(", "),
            left_out,
            "slow exchange"
        );
        true
    }
}

impl Window {
    /// Whether one of this second is told, and then how many before it were not. What comes late
    /// counts for the latest second.
    fn count(&mut self, second: u64, per_second: u32) -> Option<u64> {
        if second > self.second {
            (self.second, self.told) = (second, 0);
        }
        if self.told >= per_second {
            self.left_out += 1;
            return None;
        }
        self.told += 1;
        Some(mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests;
