//! Retries as a share of successes.

use std::time::Duration;

use headgate_types::{Moment, Ratio};

use crate::{
    overload::{
        mode::Switch,
        verdict::{Layer, Reason, Refusal},
    },
    stamped::Stamped,
};

/// How long a success's share can be spent: Finagle's and linkerd's `ttl`.
const TTL: Duration = Duration::from_secs(10);
/// Retries a second that a quiet route may make all the same, and the most of them that it saves.
/// Finagle's floor is 10; an edge is stricter, because the devices behind it retry as well.
const RESERVE: f32 = 3.0;
/// The most that is saved: a tenth of ten thousand successes a second. Beyond it `f32` would also
/// round a small share.
const TOKENS_MAX: f32 = 1e4;

/// A token bucket that successes fill and retries empty, without a lock.
///
/// A request that its first attempt answers adds its share of a token, a retry takes a whole one.
/// What is saved fades with a time constant of ten seconds, so a route's past does not pay for a
/// storm. Below three tokens the bucket fills by itself at three a second. In any stretch of time,
/// then, retries are at most what was saved + share × successes + 3 × seconds.
///
/// Finagle and linkerd count every request, whatever becomes of it. Then an upstream that fails
/// all of its calls is still sent that share on top (scenario C2: a tenth more calls where a
/// fiftieth is allowed), which is load that can help nobody. A success pays only for others where
/// there is something to gain, as in AWS' adaptive retries (Brooker, "Fixing retries with token
/// buckets and circuit breakers").
#[derive(Debug)]
pub struct Budget {
    switch: Switch,
    share: f32,
    tokens: Stamped,
}

impl Budget {
    /// A budget of that share of successes; zero leaves the reserve.
    pub fn new(share: Ratio, now: Moment) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a share from 0 to 1 loses digits only"
        )]
        let share = share.as_f64() as f32;
        Self { switch: Switch::default(), share, tokens: Stamped::new(RESERVE, now) }
    }

    /// Counts a request that its first attempt has answered: a success of a retry was paid for
    /// already.
    pub fn deposit(&self, now: Moment) {
        self.tokens.update(now, |tokens, seconds| {
            Some((refreshed(tokens, seconds) + self.share).min(TOKENS_MAX))
        });
    }

    /// Takes one retry, or says that there is none. `draw` is any number that belongs to the
    /// request, for partial enforcement.
    #[must_use]
    pub fn charge(&self, now: Moment, draw: u64) -> bool {
        if !self.switch.is_on() {
            return true;
        }
        let refusal = (!self.take(now)).then(|| {
            Refusal::new(Layer::RetryBudget, Reason::BudgetEmpty, self.available(now), 1.0)
        });
        self.switch.settle(refusal, draw).is_none()
    }

    /// Its mode and counts.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    fn take(&self, now: Moment) -> bool {
        self.tokens.update(now, |tokens, seconds| {
            let tokens = refreshed(tokens, seconds);
            (tokens >= 1.0).then_some(tokens - 1.0)
        })
    }

    /// Retries that could be made at once, for people to read.
    pub fn available(&self, now: Moment) -> f64 {
        let (tokens, seconds) = self.tokens.get(now);
        f64::from(refreshed(tokens, seconds))
    }
}

/// The tokens that many seconds later: what was saved has faded, and the reserve has filled.
fn refreshed(tokens: f32, seconds: f32) -> f32 {
    let kept = tokens * (-seconds / TTL.as_secs_f32()).exp();
    let filled = (kept + RESERVE * seconds).min(RESERVE);
    kept.max(filled)
}

#[cfg(test)]
mod tests;
