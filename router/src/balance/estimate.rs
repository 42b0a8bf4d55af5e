//! A latency estimate: peak-EWMA.

use std::time::Duration;

use headgate_types::Moment;

use super::DECAY;
use crate::stamped::Stamped;

/// An estimated latency in seconds, zero before the first sample.
#[derive(Debug, Default)]
pub(super) struct Estimate(Stamped);

/// Every sample is more than zero, so that it is seen to be one.
const LATENCY_MIN: f32 = 1e-9;

impl Estimate {
    /// Takes a sample.
    pub(super) fn sample(&self, latency: Duration, now: Moment) {
        let latency = latency.as_secs_f32().max(LATENCY_MIN);
        self.0.update(now, |estimate, seconds| {
            if estimate == 0.0 || latency > estimate {
                return Some(latency);
            }
            let kept = weight(seconds);
            Some((estimate * kept + latency * (1.0 - kept)).max(LATENCY_MIN))
        });
    }

    /// The estimate in seconds, faded since the last sample or that moment, whichever is later.
    /// None before the first sample.
    pub(super) fn faded(&self, renewed: Moment, now: Moment) -> Option<f64> {
        let (estimate, seconds) = self.0.get(now);
        let idle = seconds.min(now.since(renewed).as_secs_f32());
        (estimate > 0.0).then(|| f64::from(estimate * weight(idle)))
    }
}

/// How much of an estimate is left after that long.
fn weight(seconds: f32) -> f32 {
    (-seconds / DECAY.as_secs_f32()).exp()
}
