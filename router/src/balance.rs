//! Picks the endpoint that is asked: power of two choices over peak-EWMA latency.
//!
//! Of two endpoints drawn at random the one with the lesser cost is asked, where
//! cost = estimated latency × (calls in flight + 1) (Mitzenmacher, "The Power of Two Choices in
//! Randomized Load Balancing"; Finagle's `p2cPeakEwma`).
//!
//! A latency above the estimate replaces it at once, so that a slow endpoint is seen by its first
//! slow answer; one below draws it down by the time since the last sample:
//! estimate = estimate × w + latency × (1 - w), w = exp(-time / [`DECAY`]).
//!
//! Where this differs from Finagle:
//!
//! * A failure counts as a latency of [`PENALTY`] at least, as in linkerd's load biaser: otherwise
//!   an endpoint that fails fast would look fast and draw the traffic.
//! * An estimate that nothing has renewed fades to zero by the same law, counted from the last
//!   sample or the last call, whichever was later. So an endpoint that was penalized is asked
//!   again after a while, one call at a time until one has answered.
//! * Endpoints may have weights. Then each of the two is drawn by them, both draws apart, so that it
//!   is at times the same one twice: an endpoint of a tenth of the weight gets about a tenth of the
//!   calls, however quick it is. Calls in flight count by weight.
//! * An endpoint without any sample is taken for as fast as the one it is compared with, and only
//!   calls in flight count: a new one gets its share from the start, and no more than that.

use std::{
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use headgate_types::Moment;

pub mod affinity;
mod estimate;

use estimate::Estimate;

/// How fast an estimate forgets: Finagle's and linkerd's default.
pub const DECAY: Duration = Duration::from_secs(10);
/// The least latency that a failure counts as: linkerd's load biaser.
pub const PENALTY: Duration = Duration::from_secs(5);

/// Picks among the endpoints of one upstream. Lock-free; shared by all threads.
#[derive(Debug)]
pub struct Balancer {
    endpoints: Vec<Slot>,
    /// Whether not all weights are the same.
    is_weighted: bool,
}

/// An endpoint in its place among the others.
#[derive(Debug)]
struct Slot {
    endpoint: Arc<Endpoint>,
    place: Place,
    /// Its weight as a multiple of the mean one.
    relative: f64,
}

/// What an endpoint is configured to be for a balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its share of the calls, as compared with others.
    pub weight: NonZeroU16,
    /// What its scores for keys are drawn by, such as [`affinity::key_of`] its address.
    pub seed: u64,
}

impl Default for Place {
    fn default() -> Self {
        Self { weight: NonZeroU16::MIN, seed: 0 }
    }
}

#[derive(Debug, Default)]
struct Endpoint {
    in_flight: AtomicU64,
    estimate: Estimate,
    /// The last call's start, in nanoseconds; zero before the first.
    asked_at: AtomicU64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The endpoint answered as it should.
    Success,
    /// It could not be reached, broke off, was too slow, or answered that it can't: a status from
    /// 500, or 429.
    Failure,
}

/// An endpoint's standing, for people to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls that have started and not ended.
    pub in_flight: u64,
    /// Its estimated latency, penalties included and faded by now. None before the first sample.
    pub latency: Option<Duration>,
}

impl Balancer {
    /// Makes a balancer for that many endpoints.
    pub fn new(endpoints_count: usize) -> Self {
        Self::of((0..endpoints_count).map(|_| Arc::default()))
    }

    fn of(endpoints: impl Iterator<Item = Arc<Endpoint>>) -> Self {
        let slot = |endpoint| Slot { endpoint, place: Place::default(), relative: 1.0 };
        Self { endpoints: endpoints.map(slot).collect(), is_weighted: false }
    }

    /// The same with a place for each endpoint, in their order.
    #[must_use]
    pub fn placed(mut self, places: impl IntoIterator<Item = Place>) -> Self {
        for (slot, place) in self.endpoints.iter_mut().zip(places) {
            slot.place = place;
        }
        let weight = |slot: &Slot| f64::from(slot.place.weight.get());
        let mean = self.endpoints.iter().map(weight).sum::<f64>() / self.endpoints.len() as f64;
        for slot in &mut self.endpoints {
            slot.relative = weight(slot) / mean;
        }
        let first = self.endpoints.first().map(|slot| slot.place.weight);
        self.is_weighted = self.endpoints.iter().any(|slot| Some(slot.place.weight) != first);
        self
    }

    /// Makes the balancer that follows this one when the endpoints have changed: for each endpoint
    /// its index here, or none if it is new.
    ///
    /// What is known of an endpoint stays, and so do its calls in flight.
    #[must_use]
    pub fn successor(&self, kept: impl IntoIterator<Item = Option<usize>>) -> Self {
        let known = |index: Option<usize>| Some(Arc::clone(&self.endpoints.get(index?)?.endpoint));
        Self::of(kept.into_iter().map(|index| known(index).unwrap_or_default()))
    }

    /// Picks an endpoint that was not tried, and counts the call as in flight until it ends.
    ///
    /// None when all were tried. `random` must be drawn evenly from all of `u64` for each pick.
    pub fn pick(&self, now: Moment, random: u64, is_tried: impl Fn(usize) -> bool) -> Option<Call> {
        let open = || (0..self.endpoints.len()).filter(|index| !is_tried(*index));
        let (first, second) = if self.is_weighted {
            self.two_by_weight(open, random)
        } else {
            let (first, second) = two_of(open().count(), random);
            (open().nth(first), open().nth(second))
        };
        let at = |index: Option<usize>| Some((index?, self.endpoints.get(index?)?));
        let (first, second) = (at(first)?, at(second)?);
        let (index, slot) = if second.1.is_lighter_than(first.1, now) { second } else { first };
        Some(Call::start(index, Arc::clone(&slot.endpoint), now))
    }

    /// Draws two endpoints by their weights, each on its own.
    fn two_by_weight<I: Iterator<Item = usize>>(
        &self,
        open: impl Fn() -> I,
        random: u64,
    ) -> (Option<usize>, Option<usize>) {
        let weight =
            |index: usize| self.endpoints.get(index).map_or(0, |slot| slot.place.weight.get());
        let all = open().map(|index| usize::from(weight(index))).sum();
        let draw = |random| {
            let mut left = scaled(random, all);
            open().find(|index| {
                let own = usize::from(weight(*index));
                let is_it = left < own;
                left = left.saturating_sub(own);
                is_it
            })
        };
        (draw(random >> 32), draw(random & u64::from(u32::MAX)))
    }

    /// Whether an endpoint has its even share, rounded up, of all calls in flight.
    pub fn is_laden(&self, endpoint: usize) -> bool {
        let all: u64 = self.endpoints.iter().map(|slot| slot.endpoint.calls()).sum();
        let Some(slot) = self.endpoints.get(endpoint) else { return false };
        let own = slot.endpoint.calls() as f64;
        own > 0.0 && own * self.endpoints.len() as f64 >= all as f64 * slot.relative
    }

    /// How an endpoint stands. An index that does not exist has no load.
    pub fn load(&self, endpoint: usize, now: Moment) -> Load {
        self.endpoints.get(endpoint).map_or_else(Load::default, |slot| Load {
            in_flight: slot.endpoint.calls(),
            latency: slot.endpoint.latency(now).map(Duration::from_secs_f64),
        })
    }
}

/// Draws two different places below `count`, each pair as often as any other; the same place twice
/// where there is only one.
fn two_of(count: usize, random: u64) -> (usize, usize) {
    let first = scaled(random >> 32, count);
    // The second is drawn among the others, by its distance from the first.
    let distance = 1 + scaled(random & u64::from(u32::MAX), count.saturating_sub(1));
    (first, (first + distance) % count.max(1))
}

/// Maps 32 random bits to a number below `count`, evenly enough (Lemire, "Fast Random Integer
/// Generation in an Interval", without the rejection: the bias is below `count` / 2^32).
fn scaled(random: u64, count: usize) -> usize {
    let product = u128::from(random) * count as u128;
    usize::try_from(product >> 32).expect("32 bits times count, divided by 2^32, is below count")
}

impl Endpoint {
    /// Seconds. None before the first sample.
    fn latency(&self, now: Moment) -> Option<f64> {
        let asked_at = Moment::from_nanos(self.asked_at.load(Ordering::Relaxed));
        self.estimate.faded(asked_at, now)
    }

    fn calls(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Slot {
    fn is_lighter_than(&self, other: &Self, now: Moment) -> bool {
        let calls = |slot: &Self| slot.endpoint.calls() as f64 / slot.relative;
        let (ours, theirs) = (calls(self), calls(other));
        match (self.endpoint.latency(now), other.endpoint.latency(now)) {
            (Some(our), Some(their)) => our * (ours + 1.0) < their * (theirs + 1.0),
            _ => ours < theirs,
        }
    }
}

/// One call to an endpoint, in flight until it ends.
///
/// Dropped without an end, as when a client leaves, it is no longer in flight and says nothing
/// about the endpoint's latency.
#[derive(Debug)]
pub struct Call {
    index: usize,
    endpoint: Arc<Endpoint>,
    started: Moment,
    is_sampled: bool,
}

impl Call {
    fn start(index: usize, endpoint: Arc<Endpoint>, now: Moment) -> Self {
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        endpoint.asked_at.fetch_max(now.as_nanos(), Ordering::Relaxed);
        Self { index, endpoint, started: now, is_sampled: false }
    }

    /// The endpoint's index.
    pub const fn endpoint(&self) -> usize {
        self.index
    }

    /// Takes the time until the answer's head as the call's latency.
    ///
    /// The call stays in flight until it ends, and its end adds no second sample unless it is a
    /// failure: how long a body takes says more about the client and the body than about the
    /// endpoint.
    pub fn answered(&mut self, now: Moment, end: End) {
        if !self.is_sampled {
            self.is_sampled = true;
            self.sample(now, end);
        }
    }

    /// Ends the call. Unless it was [`Call::answered`], its whole time is its latency.
    pub fn finish(self, now: Moment, end: End) {
        if !self.is_sampled || end == End::Failure {
            self.sample(now, end);
        }
    }

    fn sample(&self, now: Moment, end: End) {
        let latency = now.since(self.started);
        let latency = match end {
            End::Success => latency,
            End::Failure => latency.max(PENALTY),
        };
        self.endpoint.estimate.sample(latency, now);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let before = self.endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a call ends once, and was counted when it started");
    }
}

#[cfg(test)]
mod tests;
