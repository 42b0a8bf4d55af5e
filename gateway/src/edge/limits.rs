//! What protects a route, as it stands.

use std::sync::Arc;

use headgate_router::overload::mode::{Counts, Switch};
use headgate_types::Moment;

use crate::{edge::Route, overload::RouteLimits};

impl Route {
    /// Whether a request has asked for its limit, or for a retry.
    pub(super) fn is_limit_in_use(&self) -> bool {
        self.admission.as_ref().is_some_and(|admission| admission.is_in_use())
            || self.budget.switch().counts() != Counts::default()
    }

    /// What protects it, as it stands.
    pub(crate) fn limits(&self, now: Moment) -> RouteLimits {
        let rates = self.rates.iter().zip(&self.settings.overload.rates);
        let switch = |switch: &Switch| (switch.mode(), switch.counts());
        RouteLimits {
            team: Arc::clone(&self.settings.team),
            name: Arc::clone(&self.settings.name),
            upstream: self.upstream.as_ref().map(|upstream| Arc::clone(&upstream.settings.name)),
            priority: self.settings.priority,
            is_exempt: self.settings.overload.is_exempt,
            gate: self.admission.as_ref().and_then(|admission| admission.state()),
            rates: rates.map(|(rate, settings)| rate.state(settings.mode)).collect(),
            throttle: switch(self.throttle.switch()),
            retry: switch(self.budget.switch()),
            retries_left: self.budget.available(now),
        }
    }
}
