//! How the no-load RTT follows what is seen.

use super::{Adaptive, window};
use crate::overload::limit::Cause;

/// Share by which each sample moves the no-load RTT while the upstream is not busy.
pub(super) const SLOW: f64 = 1.0 / 2000.0;
/// And by which it follows downward.
const FALLING: f64 = 1.0 / 300.0;

impl Adaptive {
    pub(super) fn shift_no_load_rtt(&mut self, by: f64) {
        let most =
            self.settings.healthy_rtt_max.map_or(f64::INFINITY, |max| max.as_secs_f64().ln());
        for kind in &mut self.kinds {
            kind.ln = (kind.ln + by).min(most);
        }
        self.lower_incident(by);
    }

    /// Lets each kind's no-load RTT follow what was seen, by a share `rate` for each sample.
    pub(super) fn learn(&mut self, seen: &window::Summary, rate: f64) {
        let most =
            self.settings.healthy_rtt_max.map_or(f64::INFINITY, |max| max.as_secs_f64().ln());
        for kind in self.kinds.iter_mut().filter(|kind| kind.recent > 0.0) {
            let share = (kind.recent * rate).min(0.5);
            kind.ln = (kind.ln + share * kind.recent_sum / kind.recent).min(most);
        }
        self.lower_incident(seen.excess * (f64::from(seen.samples) * rate).min(0.5));
    }

    pub(super) fn learn_faster(&mut self, seen: &window::Summary) {
        if seen.excess < 0.0 {
            let is_far = seen.excess < -std::f64::consts::LN_2;
            self.learn(seen, if is_far { 1.0 } else { FALLING });
            self.trend.forget_some();
        }
    }

    fn lower_incident(&mut self, by: f64) {
        if let Some(incident) = self.incident.as_mut().filter(|_| by < 0.0) {
            incident.raised += by;
            if incident.raised < 1.5_f64.ln() {
                self.incident = None;
                self.cause = Cause::Recovered;
            }
        }
    }
}
