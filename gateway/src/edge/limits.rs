//! What protects the edge and its routes, as it stands.

use std::sync::Arc;

use headgate_router::overload::mode::{Counts, Switch};
use headgate_types::Moment;

use crate::{
    edge::{Edge, Route},
    overload::{Limits, RouteLimits},
    upstream::Upstream,
};

impl Edge {
    /// What protects the edge, its upstreams and routes, as it stands.
    pub fn limits(&self) -> Limits {
        self.limits_of(|_| true, |_| true)
    }

    /// The same without upstreams and routes of which no limit has been asked yet: a large
    /// configuration has many.
    pub fn limits_in_use(&self) -> Limits {
        self.limits_of(Upstream::is_limit_in_use, Route::is_limit_in_use)
    }

    fn limits_of(
        &self,
        of_upstream: impl Fn(&Upstream) -> bool,
        of_route: impl Fn(&Route) -> bool,
    ) -> Limits {
        let (now, snapshot) = (self.clock.now(), self.snapshot());
        let upstreams = snapshot.upstreams.iter().filter(|upstream| of_upstream(upstream));
        let routes = snapshot.routes.iter().filter(|route| of_route(route));
        Limits {
            instance: self.protection.state(self.lifecycle.in_flight()),
            upstreams: upstreams.map(|upstream| upstream.limits(now)).collect(),
            routes: routes.map(|route| route.limits(now)).collect(),
        }
    }
}

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
