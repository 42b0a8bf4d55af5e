//! How soon a breaker opens, and when it tries again.

use std::time::Duration;

/// What can be tuned.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Failures in a row that open the breaker.
    pub consecutive_failures: u32,
    /// Share of successes below which it opens.
    pub success_min: f64,
    /// Calls in the window before that share counts.
    pub calls_min: u32,
    /// How long it stays open the first time; it doubles each time a probe fails.
    pub open_for: Duration,
    /// How long it stays open at most.
    pub open_for_max: Duration,
    /// Probes at once while half-open, at most 8, and successes in a row that close it.
    pub probes: u32,
    /// After this a probe counts as failed and its place is free again. So it does when probes
    /// that nobody waited for to the end have together gone without an answer for so long.
    pub probe_timeout: Duration,
}

impl Default for Settings {
    /// The defaults of linkerd's unified breaker, but for 5 failures in a row in place of 7 and at
    /// least 20 calls in place of 5, which on a busy edge come within a second.
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            success_min: 0.8,
            calls_min: 20,
            open_for: Duration::from_secs(1),
            open_for_max: Duration::from_mins(1),
            probes: 3,
            probe_timeout: Duration::from_secs(1),
        }
    }
}
