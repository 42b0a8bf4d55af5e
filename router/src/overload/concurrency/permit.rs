//! The right to be in flight.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use headgate_types::{Class, Moment};

use super::{Call, Gate, Waiter, shadow::ShadowId, twin::Seen};
use crate::overload::{
    limit::{End, Sample},
    verdict::Refusal,
};

/// So many times its usual length makes a call's end without an answer tell about load.
const LATE: u32 = 2;

/// The right to be in flight, given back when it is finished or dropped.
///
/// A permit that is dropped without [`Permit::finish`] (the client left, a task panicked) frees its
/// place all the same, and the limit learns nothing from it.
#[derive(Debug)]
pub struct Permit<W: Waiter> {
    gate: Arc<Gate<W>>,
    kind: usize,
    class: Class,
    partition: usize,
    started: Moment,
    in_flight: u32,
    hold: Hold,
    /// Whether more ran than the limit lets in, as it is not enforced.
    is_crowded: bool,
    /// The refusal that was not carried out.
    refusal: Option<Refusal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// The layer is off.
    Nothing,
    /// It passed although it was refused, as the layer does not enforce.
    Unseated,
    /// It passed without a wait, as the layer does not enforce; its shadow waits or holds a seat.
    Shadow(ShadowId),
    /// It holds one of the limit's seats.
    Seat,
}

impl<W: Waiter> Permit<W> {
    pub(super) fn seated(gate: Arc<Gate<W>>, call: &Call, now: Moment, in_flight: u32) -> Self {
        Self::new(gate, call, now, (Hold::Seat, in_flight))
    }

    /// With its shadow, and whether it runs among too many.
    pub(super) fn shadowed(
        gate: Arc<Gate<W>>,
        call: &Call,
        now: Moment,
        (id, is_crowded): (ShadowId, bool),
    ) -> Self {
        gate.followed.fetch_add(1, Ordering::Relaxed);
        let mut permit = Self::new(gate, call, now, (Hold::Shadow(id), 0));
        permit.is_crowded = is_crowded;
        permit
    }

    pub(super) fn unseated(gate: Arc<Gate<W>>, call: &Call, now: Moment, refusal: Refusal) -> Self {
        gate.unseated.fetch_add(1, Ordering::Relaxed);
        let is_crowded = gate.is_crowded(0);
        let mut permit = Self::new(gate, call, now, (Hold::Unseated, 0));
        (permit.is_crowded, permit.refusal) = (is_crowded, Some(refusal));
        permit
    }

    pub(super) fn uncounted(gate: Arc<Gate<W>>, call: &Call, now: Moment) -> Self {
        Self::new(gate, call, now, (Hold::Nothing, 0))
    }

    fn new(gate: Arc<Gate<W>>, call: &Call, now: Moment, (hold, in_flight): (Hold, u32)) -> Self {
        Self {
            gate,
            kind: call.kind,
            class: call.priority.class(),
            partition: call.partition,
            started: now,
            in_flight,
            hold,
            is_crowded: false,
            refusal: None,
        }
    }

    /// The same with so many in flight, this one included.
    pub(super) fn among(mut self, in_flight: u32) -> Self {
        self.in_flight = in_flight;
        self
    }

    /// When it was given.
    pub fn started(&self) -> Moment {
        self.started
    }

    /// Leaves a time out of what the call has taken: the client's, not the upstream's.
    pub fn excuse(&mut self, time: Duration) {
        self.started = self.started + time;
    }

    /// Calls in flight when it was given, this one included; zero if it holds no seat.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether it was given among more than the limit lets in.
    pub(super) fn is_crowded(&self) -> bool {
        self.is_crowded
    }

    /// What enforcing would have said; none if it would have admitted or queued the call.
    pub fn would_refuse(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Gives it back for a client that left before its answer.
    ///
    /// Clients leave for reasons of their own, which says nothing about load. But a call that has
    /// lasted for `LATE` times what one takes without load says that it takes at least so long:
    /// were it forgotten, an upstream too slow for its clients would look idle (Envoy 36415).
    pub fn abandon(self, now: Moment) {
        if self.hold == Hold::Nothing {
            return;
        }
        let lasted = now.since(self.started);
        let is_late = self.gate.no_load_rtt().is_some_and(|rtt| lasted > rtt * LATE);
        self.end(now, if is_late { End::Success } else { End::Ignore }, false);
    }

    /// Gives it back, and tells the limit how the call ended.
    pub fn finish(self, now: Moment, end: End) {
        self.end(now, end, end != End::Dropped);
    }

    fn end(mut self, now: Moment, end: End, is_answered: bool) {
        let gate = Arc::clone(&self.gate);
        gate.last_now.fetch_max(now.as_nanos(), Ordering::Relaxed);
        gate.advance(now);
        let seen = Seen { end, is_answered, ..self.seen(now) };
        match self.hold {
            Hold::Nothing => {}
            Hold::Unseated => {
                self.free();
                gate.passed_ended(None, &seen, now);
            }
            Hold::Shadow(id) => {
                self.leave_shadow();
                gate.passed_ended(Some(id), &seen, now);
            }
            Hold::Seat => {
                let limited = gate.limited.swap(false, Ordering::Relaxed);
                let sample = Sample {
                    started: self.started,
                    ended: now,
                    in_flight: self.in_flight,
                    limited,
                    held_back: gate.held_back.swap(false, Ordering::Relaxed),
                    kind: self.kind,
                    end,
                };
                let mut inner = gate.inner.lock();
                inner.shadows.twin.saw(&seen);
                inner.finish(&gate, &sample);
                drop(inner);
                self.free();
                gate.hand_over(now);
            }
        }
    }

    /// An end that says nothing.
    fn seen(&self, now: Moment) -> Seen {
        Seen {
            kind: self.kind,
            ran: now.since(self.started),
            end: End::Ignore,
            is_answered: false,
            is_crowded: self.is_crowded,
        }
    }

    fn leave_shadow(&mut self) {
        self.hold = Hold::Nothing;
        self.gate.followed.fetch_sub(1, Ordering::Relaxed);
    }

    /// Gives it back without a look at who waits.
    pub(super) fn release_alone(mut self) {
        self.free();
    }

    fn free(&mut self) {
        match self.hold {
            Hold::Seat => self.gate.give_seat(self.class, self.partition),
            Hold::Unseated => {
                self.gate.unseated.fetch_sub(1, Ordering::Relaxed);
            }
            Hold::Shadow(id) => {
                self.leave_shadow();
                let now = Moment::from_nanos(self.gate.last_now.load(Ordering::Relaxed));
                self.gate.passed_ended(Some(id), &self.seen(now), now);
            }
            Hold::Nothing => {}
        }
        self.hold = Hold::Nothing;
    }
}

impl<W: Waiter> Drop for Permit<W> {
    fn drop(&mut self) {
        if self.hold == Hold::Seat {
            self.free();
            let now = Moment::from_nanos(self.gate.last_now.load(Ordering::Relaxed));
            self.gate.hand_over(now);
        } else {
            self.free();
        }
    }
}
