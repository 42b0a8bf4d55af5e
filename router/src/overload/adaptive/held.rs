//! The limit while a held share keeps others from filling it.
//!
//! If three tenths of the limit are held for calls that must not meet a full upstream, the others
//! bind at seven tenths, and the limit as a whole says nothing: in flight is less. Were it to grow
//! until the others feel a wait, they would have all slots, and calls that take a hundredth of
//! theirs would wait many times their own time. So here a kind's own wait counts, each over its own
//! time; growth goes step by step and stops with the first kind that waits; what was in flight then
//! is what the upstream has, and becomes the limit, so that the share is held of that. As BBR keeps
//! `inflight_hi` (Cardwell et al., draft-ietf-ccwg-bbr), it then stands as a ceiling, and is tried
//! again so rarely that the trying stays below a 99th percentile. For the same reason no probe goes
//! upward meanwhile.

use std::time::Duration;

use headgate_types::Moment;

use super::{Adaptive, GROW_BELOW, SHRINK_ABOVE, window};
use crate::overload::limit::Cause;

/// How long a share counts as held back after that was seen.
const HELD_FOR: Duration = Duration::from_secs(2);
/// Growth in one step, as a share; one step takes as many calls as tell whether it was right.
const STEP: f64 = 0.05;
/// A ceiling is tried again after so long: a look costs a second, a third of a percent of this.
const CEILING_FOR: Duration = Duration::from_mins(5);
/// Calls of a kind from which its wait counts, the errors that it must be beyond, and the calls
/// that are remembered.
const SAMPLES_MIN: f64 = 60.0;
const CERTAIN: f64 = 3.5;
const MEMORY: f64 = 1000.0;

/// What is known while a share is held back.
#[derive(Debug, Default)]
pub(super) struct Held {
    until: Moment,
    /// The limit before steps that nothing has confirmed.
    explored_from: Option<f64>,
    /// A limit at which calls waited, and until when it is not passed.
    ceiling: Option<(f64, Moment)>,
}

impl Held {
    fn is_on(&self, now: Moment) -> bool {
        now < self.until
    }
}

impl Adaptive {
    /// Moves the limit while a share is held back. False when none is, or when calls wait though
    /// the limit was not raised: then they are slower or the slots fewer, as for any other limit.
    pub(super) fn steer_held(&mut self, seen: &window::Summary, now: Moment) -> bool {
        if seen.held_back {
            if !self.held.is_on(now) {
                self.forget_kinds();
            }
            self.held.until = now + HELD_FOR;
        }
        if !self.held.is_on(now) || self.is_unhealthy(seen) {
            return false;
        }
        self.follow_kinds();
        if self.is_any_above(SHRINK_ABOVE, CERTAIN, SAMPLES_MIN) {
            let Some(from) = self.held.explored_from.take() else { return false };
            let to = seen.in_flight.max(from).min(self.limit);
            self.held.ceiling = Some((to, now + CEILING_FOR));
            self.set(to, Cause::Queueing);
            self.forget_kinds();
            return true;
        }
        let known: f64 = self.kinds.iter().map(|kind| kind.excess_samples).sum();
        let is_telling = known >= self.trend.precise() && self.is_learnt();
        if is_telling && !self.is_any_above(GROW_BELOW, 1.0, 0.0) {
            self.forget_cuts();
            self.grow_held(now);
        }
        true
    }

    fn grow_held(&mut self, now: Moment) {
        let ceiling = self.held.ceiling.filter(|(_, until)| now < *until);
        let most = ceiling.map_or(f64::INFINITY, |(most, _)| most);
        if self.limit < most {
            self.held.explored_from.get_or_insert(self.limit);
            let step = (STEP * self.limit).max(1.0);
            self.set((self.limit + step).min(most), Cause::Headroom);
            self.forget_kinds();
        }
    }

    /// Whether any kind of calls waits longer than that, in its own mean times, by so many errors
    /// over at least so many calls.
    fn is_any_above(&self, wait: f64, certain: f64, samples_min: f64) -> bool {
        let above = self.trend.excess_of(wait);
        self.kinds.iter().any(|kind| {
            let error = (self.trend.variance() / kind.excess_samples.max(1.0)).sqrt();
            kind.excess_samples >= samples_min && kind.excess > above.max(certain * error)
        })
    }

    fn follow_kinds(&mut self) {
        for kind in self.kinds.iter_mut().filter(|kind| kind.recent > 0.0) {
            kind.excess_samples = (kind.excess_samples + kind.recent).min(MEMORY);
            let share = (kind.recent / kind.excess_samples).min(1.0);
            kind.excess += (kind.recent_sum / kind.recent - kind.excess) * share;
        }
    }

    fn forget_kinds(&mut self) {
        for kind in &mut self.kinds {
            (kind.excess, kind.excess_samples) = (0.0, 0.0);
        }
    }
}
