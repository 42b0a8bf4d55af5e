//! The endpoints of an upstream: each with a breaker, and never all of them shut out.

use std::sync::Arc;

use headgate_types::Moment;
use parking_lot::Mutex;

use super::{
    breaker::{Breaker, End, Pass, Settings, State, settle},
    mode::Switch,
    verdict::Refusal,
};
use crate::balance::Balancer;

use self::spread::Spread;

mod spread;

/// Most of the set that may be shut out at once, counted after the ejection: counted before, as
/// Envoy did, one more always fits and a set of one loses its last (Envoy 3263, 17504, 27066).
const EJECTED_SHARE_MAX: f64 = 0.5;

/// The breakers of an upstream's endpoints.
#[derive(Debug)]
pub struct Endpoints {
    switch: Switch,
    breakers: Vec<Arc<Breaker>>,
    spread: Mutex<Spread>,
}

impl Endpoints {
    /// That many endpoints, all closed.
    pub fn new(count: usize, settings: Settings) -> Self {
        Self {
            switch: Switch::default(),
            breakers: (0..count).map(|_| Arc::new(Breaker::new(settings))).collect(),
            spread: Mutex::new(Spread::new(count)),
        }
    }

    /// The endpoints that follow these: for each its index here, or none if it is new. Breakers of
    /// endpoints that stay keep their state, and their settings.
    #[must_use]
    pub fn successor(
        &self,
        kept: impl IntoIterator<Item = Option<usize>>,
        settings: Settings,
    ) -> Self {
        let known = |index: Option<usize>| self.breakers.get(index?).cloned();
        let made = || Arc::new(Breaker::new(settings));
        let breakers: Vec<_> =
            kept.into_iter().map(|index| known(index).unwrap_or_else(made)).collect();
        Self {
            switch: Switch::new(self.switch.mode()),
            spread: Mutex::new(Spread::new(breakers.len())),
            breakers,
        }
    }

    /// Whether all breakers are closed, so that nothing can be left out.
    pub fn is_quiet(&self) -> bool {
        self.breakers.iter().all(|breaker| breaker.is_quiet())
    }

    /// Whether an endpoint should be left out of the choice: it is shut out, or has just come back
    /// and holds its even share of the calls in flight. When all would be, none is: failing
    /// endpoints are then asked all the same, and the route's throttle keeps the load down.
    pub fn is_out(&self, endpoint: usize, calls: &Balancer, now: Moment, random: u64) -> bool {
        if !self.switch.enforces(random) {
            return false;
        }
        let would = |breaker: &Breaker| breaker.would_admit(now, random);
        let Some(breaker) = self.breakers.get(endpoint) else { return false };
        let is_out = !would(breaker) || (breaker.is_returning(now) && calls.is_laden(endpoint));
        let others = self.breakers.iter().enumerate().filter(|(other, _)| *other != endpoint);
        is_out && others.map(|(_, other)| other).any(|other| would(other))
    }

    /// Its mode and counts. What counts as refused is a call that was sent to an endpoint whose
    /// breaker refuses it; one that [`Endpoints::is_out`] kept from being sent there does not.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Lets a call to an endpoint pass. None: it passes although the breaker is not closed,
    /// because no endpoint is better.
    ///
    /// # Errors
    ///
    /// The breaker's refusal, when another endpoint would be better.
    pub fn admit(
        &self,
        endpoint: usize,
        now: Moment,
        random: u64,
    ) -> Result<Option<Pass>, Refusal> {
        let Some(breaker) = self.breakers.get(endpoint) else { return Ok(None) };
        let is_another_better = || self.breakers.iter().any(|it| it.would_admit(now, random));
        let decide = || match breaker.decide(now, random) {
            Err(refusal) if is_another_better() => Err(refusal),
            decided => Ok(decided.ok()),
        };
        settle(&self.switch, random, decide)
    }

    /// Records how a call ended.
    pub fn record(&self, endpoint: usize, pass: Option<&Pass>, now: Moment, end: End) {
        let Some(breaker) = self.breakers.get(endpoint) else { return };
        if pass.is_some_and(|pass| !pass.counts()) {
            return;
        }
        if let Some(pass) = pass {
            breaker.record(pass, now, end, self.may_eject(endpoint, now));
        }
        let outlier = self.spread.lock().add(endpoint, now, end == End::Success);
        if let Some(outlier) = outlier.filter(|outlier| self.may_eject(*outlier, now))
            && let Some(breaker) = self.breakers.get(outlier)
        {
            breaker.trip(now);
        }
    }

    /// Gives back a call of which nobody will know the end.
    pub fn give_back(&self, endpoint: usize, pass: &Pass) {
        if let Some(breaker) = self.breakers.get(endpoint) {
            breaker.give_back(pass);
        }
    }

    /// An endpoint's breaker.
    pub fn breaker(&self, endpoint: usize) -> Option<&Breaker> {
        self.breakers.get(endpoint).map(Arc::as_ref)
    }

    /// Endpoints that are shut out.
    pub fn ejected(&self, now: Moment) -> usize {
        let is_shut =
            |breaker: &&Arc<Breaker>| matches!(breaker.state(now), State::Open | State::HalfOpen);
        self.breakers.iter().filter(is_shut).count()
    }

    /// Whether shutting this one out leaves enough.
    fn may_eject(&self, endpoint: usize, now: Moment) -> bool {
        let is_other_shut = |(index, breaker): &(usize, &Arc<Breaker>)| {
            *index != endpoint && matches!(breaker.state(now), State::Open | State::HalfOpen)
        };
        let others = self.breakers.iter().enumerate().filter(is_other_shut).count();
        let most = self.breakers.len() as f64 * EJECTED_SHARE_MAX;
        (others + 1) as f64 <= most
    }
}

#[cfg(test)]
mod tests;
