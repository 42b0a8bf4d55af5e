//! What waiting would have been for requests that pass unhindered, as the gate does not enforce.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use headgate_types::Moment;

use super::{
    Call, Gate, Permit, Waiter,
    inner::{Waited, Who},
};
use crate::overload::{
    limit::{End, Sample},
    queue::Ticket,
    verdict::{Reason, Refusal},
};

/// Most requests that are followed at once; further ones count as refused.
const SHADOWS_MAX: usize = 65_536;
/// Nothing is due.
pub(super) const NEVER: u64 = u64::MAX;

/// Requests that run already and would still wait, or would have begun later than they did.
///
/// Enforcing would have let such a request wait, begin at its turn, and run as long as it does. So
/// its shadow stands in the queue, takes the seat at its turn, and gives it back that much later
/// than the request itself ends.
#[derive(Debug, Default)]
pub(super) struct Shadows {
    slots: Vec<Shadow>,
    free: Vec<usize>,
    due: BinaryHeap<Reverse<(Moment, usize, u32)>>,
}

/// Names a shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShadowId {
    slot: usize,
    generation: u32,
}

#[derive(Debug)]
struct Shadow {
    generation: u32,
    call: Call,
    stage: Stage,
    /// How long the request ran and how it ended, once it has.
    ended: Option<(Duration, End)>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// In the queue.
    Waits(Ticket),
    /// Has a seat since then, with so many in flight.
    Runs(Moment, u32),
    /// Would have been refused.
    Refused,
}

/// What falls due.
enum Due {
    /// The longest wait is over.
    Leaves(Ticket, ShadowId),
    /// The seat comes back.
    Ends(Call, Sample),
}

impl Shadows {
    /// When the next thing falls due, in nanoseconds.
    pub(super) fn next_due(&self) -> u64 {
        self.due.peek().map_or(NEVER, |Reverse((at, ..))| at.as_nanos())
    }

    /// Follows a request, unless too many are followed; to be told its ticket next.
    pub(super) fn begin(&mut self, call: &Call) -> Option<ShadowId> {
        if self.due.len() >= 2 * SHADOWS_MAX {
            return None;
        }
        let slot = self.free.pop().or_else(|| {
            let is_room = self.slots.len() < SHADOWS_MAX;
            is_room.then(|| {
                let stage = Stage::Refused;
                self.slots.push(Shadow { generation: 0, call: *call, stage, ended: None });
                self.slots.len() - 1
            })
        })?;
        let shadow = self.slots.get_mut(slot)?;
        (shadow.call, shadow.ended, shadow.stage) = (*call, None, Stage::Refused);
        Some(ShadowId { slot, generation: shadow.generation })
    }

    pub(super) fn waits(&mut self, id: ShadowId, ticket: Ticket, until: Moment) {
        if let Some(shadow) = self.get(id) {
            shadow.stage = Stage::Waits(ticket);
            self.due.push(Reverse((until, id.slot, id.generation)));
        }
    }

    /// Its turn has come and a seat was taken for it.
    pub(super) fn granted(&mut self, id: ShadowId, now: Moment, in_flight: u32) {
        let Some(shadow) = self.get(id) else { return };
        shadow.stage = Stage::Runs(now, in_flight);
        if let Some((ran, _)) = shadow.ended {
            self.due.push(Reverse((now + ran, id.slot, id.generation)));
        }
    }

    /// It would have been refused.
    pub(super) fn refused(&mut self, id: ShadowId) {
        let Some(shadow) = self.get(id) else { return };
        shadow.stage = Stage::Refused;
        if shadow.ended.is_some() {
            self.forget(id);
        }
    }

    /// The request has ended after `ran`.
    fn ended(&mut self, id: ShadowId, ran: Duration, end: End) {
        let Some(shadow) = self.get(id) else { return };
        shadow.ended = Some((ran, end));
        match shadow.stage {
            Stage::Waits(_) => {}
            Stage::Runs(since, _) => self.due.push(Reverse((since + ran, id.slot, id.generation))),
            Stage::Refused => self.forget(id),
        }
    }

    /// The next thing that is due by then, and when it is.
    fn pop(&mut self, now: Moment) -> Option<(Moment, Due)> {
        loop {
            let Reverse((at, slot, generation)) = *self.due.peek()?;
            if at > now {
                return None;
            }
            self.due.pop();
            let id = ShadowId { slot, generation };
            let Some(shadow) = self.get(id) else { continue };
            let call = shadow.call;
            match (shadow.stage, shadow.ended) {
                (Stage::Waits(ticket), _) => return Some((at, Due::Leaves(ticket, id))),
                (Stage::Runs(started, in_flight), Some((ran, end))) if started + ran <= at => {
                    self.forget(id);
                    let sample = Sample {
                        started,
                        ended: at,
                        in_flight,
                        limited: false,
                        held_back: false,
                        kind: call.kind,
                        end,
                    };
                    return Some((at, Due::Ends(call, sample)));
                }
                _ => {}
            }
        }
    }

    fn get(&mut self, id: ShadowId) -> Option<&mut Shadow> {
        self.slots.get_mut(id.slot).filter(|shadow| shadow.generation == id.generation)
    }

    fn forget(&mut self, id: ShadowId) {
        if let Some(shadow) = self.get(id) {
            shadow.generation = shadow.generation.wrapping_add(1);
            self.free.push(id.slot);
        }
    }
}

impl<W: Waiter> Gate<W> {
    /// Lets a request pass at once and follows what enforcing would have made of it.
    pub(super) fn pass_and_follow(
        self: &Arc<Self>,
        call: &Call,
        now: Moment,
    ) -> Result<Permit<W>, Refusal> {
        let full = || self.refusal(call, Reason::QueueFull, SHADOWS_MAX as f64, SHADOWS_MAX as f64);
        let id = self.inner.lock().shadows.begin(call).ok_or_else(full)?;
        match self.wait(call, now, || Who::Follows(id)) {
            Ok((ticket, until)) => {
                let mut inner = self.inner.lock();
                inner.shadows.waits(id, ticket, until);
                self.note_due(&inner.shadows);
                drop(inner);
                self.hand_over(now);
                Ok(Permit::shadowed(Arc::clone(self), call, now, id))
            }
            Err(refusal) => {
                self.inner.lock().shadows.forget(id);
                Err(refusal)
            }
        }
    }

    /// A followed request has ended after so long.
    pub(super) fn shadow_ended(
        self: &Arc<Self>,
        id: ShadowId,
        ran: Duration,
        end: End,
        now: Moment,
    ) {
        let mut inner = self.inner.lock();
        inner.shadows.ended(id, ran, end);
        self.note_due(&inner.shadows);
        drop(inner);
        self.advance(now);
    }

    /// Does what has fallen due for shadows, in its order.
    pub(super) fn advance(self: &Arc<Self>, now: Moment) {
        while self.shadow_due.load(Ordering::Relaxed) <= now.as_nanos() {
            let mut inner = self.inner.lock();
            let due = inner.shadows.pop(now);
            match due {
                Some((at, Due::Ends(call, mut sample))) => {
                    sample.limited = self.limited.swap(false, Ordering::Relaxed);
                    sample.held_back = self.held_back.swap(false, Ordering::Relaxed);
                    inner.finish(self, &sample);
                    self.give_seat(call.priority.class(), call.partition);
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
}
