//! What is told of the configuration: which one is in force, and what came of each load.

use std::time::Duration;

use headgate_types::UnixTime;
use metrics::{Counter, Gauge, Histogram};

use crate::{
    catalog::{self, NAMES_MAX},
    labels::Reload,
    metrics::Metrics,
};

/// Counts loads of the configuration, and tells which one is in force.
#[derive(Clone, Debug)]
pub struct ConfigMetrics {
    metrics: Metrics,
    reloads: [Counter; Reload::ALL.len()],
    duration: Histogram,
    loaded: Gauge,
    overlays: Gauge,
    polling: Gauge,
}

impl Metrics {
    /// The handles of the configuration.
    pub fn config(&self) -> ConfigMetrics {
        let reloads = |result: Reload| self.counter(&catalog::CONFIG_RELOADS, &[result.as_str()]);
        ConfigMetrics {
            metrics: self.clone(),
            reloads: Reload::ALL.map(reloads),
            duration: self.histogram(&catalog::CONFIG_DURATION, &[]),
            loaded: self.gauge(&catalog::CONFIG_LOADED, &[]),
            overlays: self.gauge(&catalog::CONFIG_OVERLAYS, &[]),
            polling: self.gauge(&catalog::CONFIG_POLLING, &[]),
        }
    }
}

impl ConfigMetrics {
    /// Counts a load that came to its end, and how long it took.
    pub fn ended(&self, result: Reload, took: Duration) {
        if let Some(count) = self.reloads.get(result.index()) {
            count.increment(1);
        }
        self.duration.record(took.as_secs_f64());
    }

    /// Notes that what the files say was loaded without being rejected.
    pub fn loaded(&self, at: UnixTime) {
        self.loaded.set(at.as_duration().as_secs_f64());
    }

    /// Tells the digest of what is in force, and no other one from then on.
    pub fn in_force(&self, digest: &str) {
        self.metrics.forget(&catalog::CONFIG_INFO);
        self.metrics.gauge(&catalog::CONFIG_INFO, &[digest]).set(1.0);
    }

    /// Tells of each part whether what its files say is in force, and of no other part from then
    /// on. Parts beyond [`NAMES_MAX`] are not told.
    pub fn parts<'a>(&self, parts: impl Iterator<Item = (&'a str, bool)>) {
        self.metrics.forget(&catalog::CONFIG_PART_OK);
        for (team, is_ok) in parts.take(NAMES_MAX) {
            self.metrics.gauge(&catalog::CONFIG_PART_OK, &[team]).set(flag(is_ok));
        }
    }

    /// Tells how many overlays are in force.
    pub fn overlays(&self, count: usize) {
        self.overlays.set(count as f64);
    }

    /// Tells whether changes of the files are found by looking.
    pub fn polls(&self, is_polling: bool) {
        self.polling.set(flag(is_polling));
    }
}

const fn flag(is_set: bool) -> f64 {
    if is_set { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests;
