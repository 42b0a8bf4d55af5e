//! The share of a failing route that is not even tried.

use headgate_types::{Class, Moment, Priority};
use parking_lot::Mutex;

use super::{
    mode::Switch,
    num,
    verdict::{Layer, Reason, Refusal, Verdict},
};

/// Seconds that count.
const SECONDS: usize = 30;
/// Requests in these seconds below which nothing is refused: five a second.
const REQUESTS_MIN: f64 = 150.0;
/// Never refuse more than this, so that a recovery is seen.
const REFUSED_MAX: f64 = 0.9;
/// Requests per success that a class may make. The less, the sooner it is refused.
const K: [f64; 4] = [3.0, 2.0, 2.0, 1.2];

/// Client-side throttling of a route: refuses with probability
/// `max(0, (requests - K * successes) / (requests + 1))` over the last 30 seconds (Google, *Site
/// Reliability Engineering*, chapter 21, "Handling Overload", where K is 2 and the window two
/// minutes). In place of a binary breaker, which would turn a partial failure of a route into a
/// total one.
///
/// Google's requests include those that are refused here. Other layers stand behind this one, which
/// keep a flood from the service: counted as requests without a success, what is refused here would
/// keep this layer refusing, whatever the class, long after the service answers well. So only
/// requests that went to the service count.
#[derive(Debug, Default)]
pub struct Throttle {
    switch: Switch,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    /// What came of the requests of each second.
    buckets: [Second; SECONDS],
    /// The sums of all.
    sums: [u64; KINDS],
    newest: u64,
}

/// Requests by what came of them.
type Second = [u32; KINDS];
const KINDS: usize = 3;
/// The throttle has refused it.
const REFUSED: usize = 0;
/// It went to the service.
const TRIED: usize = 1;
/// The service has answered it well.
const SUCCEEDED: usize = 2;

impl Default for Window {
    fn default() -> Self {
        Self { buckets: [[0; KINDS]; SECONDS], sums: [0; KINDS], newest: 0 }
    }
}

/// A request that the throttle let pass.
#[must_use = "whether it is tried is to be counted"]
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Whether enforcing would have let it pass too, so that its success counts.
    counts: bool,
    refusal: Option<Refusal>,
}

impl Pass {
    /// What enforcing would have said; none if it would have admitted the request.
    pub fn would_refuse(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }
}

impl Throttle {
    /// Refuses a request with the probability that its class has earned. One that passes counts
    /// when it is known whether it is tried.
    pub fn check(&self, priority: Priority, now: Moment, random: u64) -> Verdict<Pass> {
        if !self.switch.is_on() {
            return Verdict::Admitted(Pass { counts: false, refusal: None });
        }
        let refusal = self.decide(priority, now, random);
        let counts = refusal.is_none();
        match self.switch.settle(refusal, random) {
            Some(refusal) => Verdict::Refused(refusal),
            None => Verdict::Admitted(Pass { counts, refusal }),
        }
    }

    /// Its mode and counts.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    fn decide(&self, priority: Priority, now: Moment, random: u64) -> Option<Refusal> {
        let mut window = self.window.lock();
        window.turn(now);
        let [asked, requests, successes] = window.sums();
        let share = refused_share(priority.class(), requests, successes);
        let refused = if asked < REQUESTS_MIN { 0.0 } else { share };
        let is_refused = num::unit(random) < refused;
        if is_refused {
            window.add(REFUSED);
        }
        drop(window);
        is_refused.then(|| {
            let success = successes / requests.max(1.0);
            let limit = 1.0 / k(priority.class());
            Refusal::new(Layer::Throttle, Reason::FailureRate, success, limit)
                .at_level(priority.rank(), super::verdict::ADMIT_ALL)
        })
    }

    /// Counts a success; one of a request that passed only because it is not enforced counts for
    /// nothing, as enforcing would not have had it.
    pub fn succeeded(&self, pass: Pass, now: Moment) {
        self.count(pass, now, SUCCEEDED);
    }

    /// Counts a request that goes to the route's service. One that does not, because another layer
    /// refuses it or its client leaves before, says nothing of the service.
    pub fn tried(&self, pass: Pass, now: Moment) {
        self.count(pass, now, TRIED);
    }

    fn count(&self, pass: Pass, now: Moment, kind: usize) {
        if !pass.counts {
            return;
        }
        let mut window = self.window.lock();
        window.turn(now);
        window.add(kind);
    }
}

fn k(class: Class) -> f64 {
    K.get(class.index()).copied().unwrap_or(2.0)
}

fn refused_share(class: Class, requests: f64, successes: f64) -> f64 {
    ((requests - k(class) * successes) / (requests + 1.0)).clamp(0.0, REFUSED_MAX)
}

impl Window {
    fn turn(&mut self, now: Moment) {
        let second = now.as_nanos() / 1_000_000_000;
        let passed = second.saturating_sub(self.newest).min(SECONDS as u64);
        self.newest = self.newest.max(second);
        for back in 0..passed {
            let bucket = usize::try_from(second - back).unwrap_or(0) % SECONDS;
            if let Some(old) = self.buckets.get_mut(bucket) {
                let old = std::mem::take(old);
                for (sum, count) in self.sums.iter_mut().zip(old) {
                    *sum -= u64::from(count);
                }
            }
        }
    }

    fn add(&mut self, kind: usize) {
        let bucket = usize::try_from(self.newest).unwrap_or(0) % SECONDS;
        let count = self.buckets.get_mut(bucket).and_then(|bucket| bucket.get_mut(kind));
        if let Some((count, sum)) = count.zip(self.sums.get_mut(kind)) {
            *count += 1;
            *sum += 1;
        }
    }

    /// Requests that were tried or refused here, those that were tried, and those that succeeded.
    fn sums(&self) -> [f64; 3] {
        let [refused, tried, succeeded] = self.sums.map(|sum| sum as f64);
        [tried + refused, tried, succeeded]
    }
}

#[cfg(test)]
mod tests;
