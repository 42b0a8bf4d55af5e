//! Requests that pass unhindered, as the gate does not enforce, and what follows them.

use std::sync::{Arc, atomic::Ordering};

use headgate_types::Moment;

use super::{
    Call, Gate, Permit, Waiter,
    inner::{Inner, Waited, Who},
    shadow::{Due, SHADOWS_MAX, ShadowId, Shadows},
    twin::Seen,
};
use crate::overload::verdict::{Reason, Refusal};

impl<W: Waiter> Gate<W> {
    /// Whether more requests run, with so many more, than the limit lets in, as not all of it is
    /// enforced.
    pub(super) fn is_crowded(&self, more: u32) -> bool {
        let passed =
            self.unseated.load(Ordering::Relaxed) + self.followed.load(Ordering::Relaxed) + more;
        passed > 0 && {
            let shadows = self.shadow_seats.load(Ordering::Relaxed);
            let seated = self.seats.total().saturating_sub(shadows);
            seated + passed > self.limit.load(Ordering::Relaxed)
        }
    }

    /// Notes that a request passes among more than the limit lets in.
    pub(super) fn crowds(&self, inner: &mut Inner<W>, now: Moment) {
        inner.shadows.twin.crowded(now);
        self.note_due(&inner.shadows);
    }

    /// Follows a request that got its seat, as it runs among too many. None: it is not followed,
    /// as too many are.
    pub(super) fn follow_seated(
        self: &Arc<Self>,
        call: &Call,
        now: Moment,
        in_flight: u32,
    ) -> Option<Permit<W>> {
        let mut inner = self.inner.lock();
        let id = inner.shadows.begin(call)?;
        inner.shadows.granted(id, now, in_flight);
        self.shadow_seats.fetch_add(1, Ordering::Relaxed);
        self.crowds(&mut inner, now);
        drop(inner);
        self.note_admission(call, now);
        Some(Permit::shadowed(Arc::clone(self), call, now, (id, true)).among(in_flight))
    }

    /// Lets a request pass at once and follows what enforcing would have made of it.
    pub(super) fn pass_and_follow(
        self: &Arc<Self>,
        call: &Call,
        now: Moment,
    ) -> Result<Permit<W>, Refusal> {
        let full = || self.refusal(call, Reason::QueueFull, SHADOWS_MAX as f64, SHADOWS_MAX as f64);
        let is_crowded = self.is_crowded(1);
        let id = {
            let mut inner = self.inner.lock();
            if is_crowded {
                self.crowds(&mut inner, now);
            }
            inner.shadows.begin(call).ok_or_else(full)?
        };
        match self.wait(call, now, || Who::Follows(id)) {
            Ok((ticket, until)) => {
                let mut inner = self.inner.lock();
                inner.shadows.waits(id, ticket, until);
                self.note_due(&inner.shadows);
                drop(inner);
                self.hand_over(now);
                Ok(Permit::shadowed(Arc::clone(self), call, now, (id, is_crowded)))
            }
            Err(refusal) => {
                self.inner.lock().shadows.forget(id);
                Err(refusal)
            }
        }
    }

    /// A request that passed has ended; `id` is that of its shadow, if it has one.
    pub(super) fn passed_ended(self: &Arc<Self>, id: Option<ShadowId>, seen: &Seen, now: Moment) {
        let mut inner = self.inner.lock();
        inner.shadows.twin.saw(seen);
        if let Some(id) = id {
            inner.shadows.ended(id, seen.ran, seen.end);
        }
        self.note_due(&inner.shadows);
        drop(inner);
        self.advance(now);
    }

    /// Does what has fallen due for shadows, in its order.
    pub(super) fn advance(self: &Arc<Self>, now: Moment) {
        while self.shadow_due.load(Ordering::Relaxed) <= now.as_nanos() {
            let mut inner = self.inner.lock();
            let no_load = inner.limit.no_load_rtt();
            if inner.shadows.twin.turn(now, self.is_crowded(0), no_load) {
                inner.shadows.reschedule(now);
            }
            let due = inner.shadows.pop(now);
            match due {
                Some((at, Due::Ends(call, mut sample))) => {
                    sample.limited = self.limited.swap(false, Ordering::Relaxed);
                    sample.held_back = self.held_back.swap(false, Ordering::Relaxed);
                    inner.finish(self, &sample);
                    self.give_seat(call.priority.class(), call.partition);
                    self.shadow_seats.fetch_sub(1, Ordering::Relaxed);
                    self.note_due(&inner.shadows);
                    drop(inner);
                    self.hand_over(at);
                }
                Some((at, Due::Leaves(ticket, id))) => {
                    let waiting = inner.queue.leave(ticket);
                    self.note_due(&inner.shadows);
                    drop(inner);
                    if let Some(waiting) = waiting {
                        self.count_out(waiting.band);
                        let waited = Waited { call: waiting.call, entered: waiting.entered };
                        self.resolve_shadow(id, &waited, at, Err(Reason::QueueWait));
                    }
                }
                None => self.note_due(&inner.shadows),
            }
        }
    }

    /// Counts how a shadow's wait has ended: with a seat among so many, or refused.
    pub(super) fn resolve_shadow(
        &self,
        id: ShadowId,
        waiting: &Waited,
        now: Moment,
        seat: Result<u32, Reason>,
    ) {
        let mut inner = self.inner.lock();
        match seat {
            Ok(in_flight) => {
                self.note_admission(&waiting.call, now);
                self.shadow_seats.fetch_add(1, Ordering::Relaxed);
                inner.shadows.granted(id, now, in_flight);
            }
            Err(reason) => {
                let waited = now.since(waiting.entered).as_secs_f64();
                let limit = self.wait_max(waiting.call.priority.class()).as_secs_f64();
                let refusal = self.refusal(&waiting.call, reason, waited, limit);
                self.switch.settle(Some(refusal), waiting.call.draw);
                inner.shadows.refused(id);
            }
        }
        self.note_due(&inner.shadows);
    }

    fn note_due(&self, shadows: &Shadows) {
        self.shadow_due.store(shadows.next_due(), Ordering::Relaxed);
    }

    /// Counts a refusal; where the layer does not enforce it, the request passes without a seat.
    pub(super) fn settle(
        self: &Arc<Self>,
        call: &Call,
        refusal: Refusal,
        now: Moment,
    ) -> Result<Permit<W>, Refusal> {
        // Under a flood the refused alone keep time moving; who finds the lock taken leaves that
        // to the one who holds it.
        if let Some(mut inner) = self.inner.try_lock() {
            inner.update_if_due(self, now);
        }
        if let Some(enforced) = self.switch.settle(Some(refusal), call.draw) {
            return Err(enforced);
        }
        let permit = Permit::unseated(Arc::clone(self), call, now, refusal);
        if permit.is_crowded()
            && let Some(mut inner) = self.inner.try_lock()
        {
            self.crowds(&mut inner, now);
        }
        Ok(permit)
    }
}
