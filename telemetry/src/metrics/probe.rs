//! Counts the requests that the edge sends to itself.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::{bounded, increment};
use crate::{catalog, labels::ProbeResult, metrics::Metrics};

/// Counts the runs of one probe.
#[derive(Clone, Debug)]
pub struct ProbeMetrics {
    runs: [Counter; ProbeResult::ALL.len()],
    duration: Histogram,
    failing: Gauge,
}

impl Metrics {
    /// The handles of one probe. The same name gives the same counts.
    pub fn probe(&self, name: &str) -> ProbeMetrics {
        let (_, probe) = bounded(&mut self.names.lock().probes, "", name);
        let runs =
            |result: ProbeResult| self.counter(&catalog::PROBE_RUNS, &[probe, result.as_str()]);
        ProbeMetrics {
            runs: ProbeResult::ALL.map(runs),
            duration: self.histogram(&catalog::PROBE_DURATION, &[probe]),
            failing: self.gauge(&catalog::PROBE_FAILING, &[probe]),
        }
    }
}

impl ProbeMetrics {
    /// Counts a run. How long one took that failed says nothing, and is not noted.
    pub fn ran(&self, result: ProbeResult, took: Duration) {
        increment(&self.runs, result.index());
        let is_failing = result != ProbeResult::Ok;
        if !is_failing {
            self.duration.record(took.as_secs_f64());
        }
        self.failing.set(if is_failing { 1.0 } else { 0.0 });
    }

    /// The probe is no more, and can't be failing.
    pub fn gone(&self) {
        self.failing.set(0.0);
    }
}
