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
#[derive(Debug, Default)]
pub struct Throttle {
    switch: Switch,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    /// Requests and successes of each second.
    buckets: [(u32, u32); SECONDS],
    /// The sums of all.
    sums: (u64, u64),
    newest: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self { buckets: [(0, 0); SECONDS], sums: (0, 0), newest: 0 }
    }
}

/// A request that the throttle let pass.
#[must_use = "a success is to be counted"]
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
    /// Counts a request, and refuses it with the probability that its class has earned.
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
        let (requests, successes) = window.sums();
        window.add(1, 0);
        drop(window);
        if requests < REQUESTS_MIN {
            return None;
        }
        let refused = refused_share(priority.class(), requests, successes);
        (num::unit(random) < refused).then(|| {
            let success = successes / requests.max(1.0);
            let limit = 1.0 / k(priority.class());
            Refusal::new(Layer::Throttle, Reason::FailureRate, success, limit)
                .at_level(priority.rank(), super::verdict::ADMIT_ALL)
        })
    }

    /// Counts a success; one of a request that passed only because it is not enforced counts for
    /// nothing, as enforcing would not have had it.
    pub fn succeeded(&self, pass: Pass, now: Moment) {
        if !pass.counts {
            return;
        }
        let mut window = self.window.lock();
        window.turn(now);
        window.add(0, 1);
    }

    /// Takes back the count of a request that never went to the route's service: another layer
    /// refused it, or its client left before. It says nothing of the service.
    pub fn untried(&self, pass: Pass, now: Moment) {
        if !pass.counts {
            return;
        }
        let mut window = self.window.lock();
        window.turn(now);
        window.take_back();
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
                let (requests, successes) = std::mem::take(old);
                self.sums.0 -= u64::from(requests);
                self.sums.1 -= u64::from(successes);
            }
        }
    }

    fn add(&mut self, requests: u32, successes: u32) {
        let bucket = usize::try_from(self.newest).unwrap_or(0) % SECONDS;
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket = (bucket.0 + requests, bucket.1 + successes);
            self.sums.0 += u64::from(requests);
            self.sums.1 += u64::from(successes);
        }
    }

    /// One request less, in the newest second that has one.
    fn take_back(&mut self) {
        let newest = usize::try_from(self.newest).unwrap_or(0);
        let seconds = (0..SECONDS).map(|back| (newest + SECONDS - back) % SECONDS);
        for bucket in seconds {
            if let Some((requests @ 1.., _)) = self.buckets.get_mut(bucket) {
                *requests -= 1;
                self.sums.0 -= 1;
                return;
            }
        }
    }

    fn sums(&self) -> (f64, f64) {
        (self.sums.0 as f64, self.sums.1 as f64)
    }
}

#[cfg(test)]
mod tests;
