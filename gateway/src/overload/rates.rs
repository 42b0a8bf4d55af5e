//! The rates of one route, and the keys that they count by.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock},
};

use headgate_router::overload::{
    mode::{Mode, Ruled},
    rate::{KEYS, Limiter},
};
use headgate_types::Moment;

use super::RateState;
use crate::{
    identity::Verified,
    settings::{Callers, Per, RateLimit},
};

/// One rate of a route. Its keys are made with the first request.
#[derive(Debug)]
pub(crate) struct RouteRate {
    settings: RateLimit,
    limiter: OnceLock<Option<Limiter>>,
    /// Keyed anew in each process, so that nobody can choose keys that meet.
    hasher: RandomState,
}

impl RouteRate {
    pub(crate) fn new(settings: &RateLimit) -> Arc<Self> {
        let settings = *settings;
        Arc::new(Self { settings, limiter: OnceLock::new(), hasher: RandomState::new() })
    }

    /// Whether it counts what a rate of these settings would count.
    pub(crate) fn counts_as(&self, settings: &RateLimit) -> bool {
        let what = |one: &RateLimit| (one.callers, one.per, one.rate);
        what(&self.settings) == what(settings)
    }

    /// Puts another mode in force.
    pub(crate) fn apply(&self, mode: Mode) {
        if let Some(Some(limiter)) = self.limiter.get() {
            limiter.switch().set(mode);
        }
    }

    /// What becomes of a request by this rate, of a caller and by the number of its address.
    pub(crate) fn rule(
        &self,
        (caller, address): (Option<&Verified>, u64),
        (mode, now): (Mode, Moment),
    ) -> Ruled {
        let is_known = caller.is_some_and(|caller| !caller.is_anonymous());
        let is_counted = match self.settings.callers {
            Callers::All => true,
            Callers::Known => is_known,
            Callers::Anonymous => !is_known,
        };
        let limiter = if is_counted { self.limiter(mode) } else { None };
        let Some(limiter) = limiter else { return Ruled::Admitted };
        let key = match (self.settings.per, caller) {
            (Per::Route, _) => 0,
            (Per::User, Some(caller)) => caller.user(),
            (Per::DeviceId, Some(caller)) => {
                let identity = &caller.identity;
                self.hasher.hash_one((&*identity.source, &*identity.device_id))
            }
            (Per::User | Per::DeviceId, None) => address,
        };
        limiter.rule(key, now)
    }

    /// It as it stands.
    pub(crate) fn state(&self, mode: Mode) -> RateState {
        let limiter = self.limiter.get().and_then(Option::as_ref);
        RateState {
            per: self.settings.per,
            rate: self.settings.rate,
            mode,
            counts: limiter.map(|limiter| limiter.switch().counts()).unwrap_or_default(),
        }
    }

    fn limiter(&self, mode: Mode) -> Option<&Limiter> {
        let limiter = self.limiter.get_or_init(|| {
            let keys = if self.settings.per == Per::Route { 1 } else { KEYS };
            let limiter = Limiter::with_keys(self.settings.rate, keys)?;
            limiter.switch().set(mode);
            Some(limiter)
        });
        limiter.as_ref()
    }
}
