//! Requests per time and key, in fixed memory.

use std::{cell::Cell, num::NonZeroU32, time::Duration};

use governor::{Quota, RateLimiter, clock, middleware::NoOpMiddleware, nanos::Nanos};
use headgate_types::Moment;

use self::store::Store;
use super::{
    mode::{Ruled, Switch},
    verdict::{Layer, Reason, Refusal},
};

mod store;

/// A rate: so many requests in so much time, and as many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests per period.
    pub requests: NonZeroU32,
    /// The period.
    pub period: Duration,
    /// Requests that may come at once after a pause.
    pub burst: NonZeroU32,
}

/// Keys that a limiter remembers at least; more share what is left.
pub const KEYS: usize = 65_536;

/// Limits the rate of each key by GCRA (ATM Forum, *Traffic Management*, 1996; as in governor).
///
/// Memory is fixed, whatever keys come: governor's own stores grow with them (governor 171). A
/// flood of new keys takes the places of those that have used least of their burst, which lose
/// least by it.
#[derive(Debug)]
pub struct Limiter {
    gcra: RateLimiter<u64, Store, CallersClock, NoOpMiddleware<Nanos>>,
    switch: Switch,
    rate: Rate,
}

impl Limiter {
    /// A limiter of that rate; none if the period is so short that no time is left between
    /// requests.
    pub fn new(rate: Rate) -> Option<Self> {
        Self::with_keys(rate, KEYS)
    }

    /// The same for so many keys at least.
    pub fn with_keys(rate: Rate, keys: usize) -> Option<Self> {
        let between = rate.period.checked_div(rate.requests.get())?;
        let quota = Quota::with_period(between)?.allow_burst(rate.burst);
        // Governor counts from what the clock shows now; a later moment would stand still.
        NOW.set(0);
        let gcra = RateLimiter::new(quota, Store::new(keys), CallersClock);
        Some(Self { gcra, switch: Switch::default(), rate })
    }

    /// Counts a request of the key, or refuses it and says when the next one may come.
    ///
    /// Where a share is enforced, that is a share of the keys: a client is limited or it is not.
    pub fn check(&self, key: u64, now: Moment) -> Option<Refusal> {
        self.rule(key, now).refused()
    }

    /// The same, with what is only observed.
    pub fn rule(&self, key: u64, now: Moment) -> Ruled {
        if !self.switch.is_on() {
            return Ruled::Admitted;
        }
        self.switch.rule(self.decide(key, now), key)
    }

    /// The rate.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Its mode and counts.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    fn decide(&self, key: u64, now: Moment) -> Option<Refusal> {
        NOW.set(now.as_nanos());
        let early = self.gcra.check_key(&key).err()?;
        let wait = early.wait_time_from(Nanos::new(now.as_nanos()));
        let allowed = f64::from(self.rate.requests.get()) / self.rate.period.as_secs_f64();
        let observed = 1.0 / wait.as_secs_f64().max(1e-9) + allowed;
        Some(Refusal::new(Layer::Rate, Reason::RateExceeded, observed, allowed).after(wait))
    }
}

thread_local! {
    /// What the caller says the time is, for the length of one call.
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// The clock that governor reads: it shows what the caller has said.
#[derive(Clone, Copy, Debug)]
struct CallersClock;

impl clock::Clock for CallersClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(NOW.get())
    }
}

#[cfg(test)]
mod tests;
