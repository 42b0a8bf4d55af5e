//! What waiting would have been for requests that pass unhindered, as the gate does not enforce.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use headgate_types::Moment;

use super::{Call, twin::Twin};
use crate::overload::{
    limit::{End, Sample},
    queue::Ticket,
};

/// Most requests that are followed at once; further ones count as refused.
pub(super) const SHADOWS_MAX: usize = 65_536;
/// Nothing is due.
pub(super) const NEVER: u64 = u64::MAX;

/// Requests that run already and would still wait, or would have begun later than they did, or
/// that run among more than the limit would have let in.
///
/// Enforcing would have let such a request wait, begin at its turn, and run as long as it does. So
/// its shadow stands in the queue, takes the seat at its turn, and gives it back that much later
/// than the request itself ends. Where the upstream has more calls than it can serve, which
/// enforcing would have prevented, its twin says when the shadow ends instead.
#[derive(Debug, Default)]
pub(super) struct Shadows {
    slots: Vec<Shadow>,
    free: Vec<usize>,
    due: BinaryHeap<Reverse<(Moment, usize, u32)>>,
    pub(super) twin: Twin,
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
    /// Has a seat.
    Runs(Run),
    /// Would have been refused.
    Refused,
}

/// A shadow's time on its seat.
#[derive(Clone, Copy, Debug)]
struct Run {
    started: Moment,
    in_flight: u32,
    /// When the twin has served it; none to last as long as the request.
    until: Option<Moment>,
}

/// What falls due.
pub(super) enum Due {
    /// The longest wait is over.
    Leaves(Ticket, ShadowId),
    /// The seat comes back.
    Ends(Call, Sample),
}

impl Shadows {
    /// When the next thing falls due, in nanoseconds.
    pub(super) fn next_due(&self) -> u64 {
        let due = self.due.peek().map_or(NEVER, |Reverse((at, ..))| at.as_nanos());
        due.min(self.twin.due().map_or(NEVER, Moment::as_nanos))
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

    /// A seat was taken for it.
    pub(super) fn granted(&mut self, id: ShadowId, now: Moment, in_flight: u32) {
        let Self { slots, twin, due, .. } = self;
        let shadow = slots.get_mut(id.slot).filter(|shadow| shadow.generation == id.generation);
        let Some(shadow) = shadow else { return };
        let until = twin.serve(&shadow.call, now);
        shadow.stage = Stage::Runs(Run { started: now, in_flight, until });
        if let Some(at) = shadow.ends_at() {
            due.push(Reverse((at, id.slot, id.generation)));
        }
    }

    /// Looks anew at when those with a seat end. Who would have ended by now does so at once.
    pub(super) fn reschedule(&mut self, now: Moment) {
        let Self { slots, twin, due, .. } = self;
        let mut running: Vec<(Moment, usize)> = slots
            .iter()
            .enumerate()
            .filter_map(|(slot, shadow)| Some((shadow.run()?.started, slot)))
            .collect();
        running.sort_unstable();
        let is_running = |slot: usize| slots.get(slot).is_some_and(|it| it.run().is_some());
        due.retain(|Reverse((_, slot, _))| !is_running(*slot));
        twin.restart();
        for (started, slot) in running {
            let Some(shadow) = slots.get_mut(slot) else { continue };
            let until = twin.serve(&shadow.call, started);
            if let Stage::Runs(run) = &mut shadow.stage {
                run.until = until;
            }
            if let Some(at) = shadow.ends_at() {
                due.push(Reverse((at.max(now), slot, shadow.generation)));
            }
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
    pub(super) fn ended(&mut self, id: ShadowId, ran: Duration, end: End) {
        let Some(shadow) = self.get(id) else { return };
        shadow.ended = Some((ran, end));
        match shadow.stage {
            Stage::Runs(Run { until: None, started, .. }) => {
                self.due.push(Reverse((started + ran, id.slot, id.generation)));
            }
            Stage::Waits(_) | Stage::Runs(_) => {}
            Stage::Refused => self.forget(id),
        }
    }

    /// The next thing that is due by then, and when it is.
    pub(super) fn pop(&mut self, now: Moment) -> Option<(Moment, Due)> {
        loop {
            let Reverse((at, slot, generation)) = *self.due.peek()?;
            if at > now {
                return None;
            }
            self.due.pop();
            let id = ShadowId { slot, generation };
            let Some(shadow) = self.get(id) else { continue };
            let call = shadow.call;
            match shadow.stage {
                Stage::Waits(ticket) => return Some((at, Due::Leaves(ticket, id))),
                Stage::Runs(run) if shadow.ends_at().is_some_and(|end| end <= at) => {
                    // The twin serves all.
                    let real = shadow.ended.filter(|_| run.until.is_none());
                    self.forget(id);
                    let sample = Sample {
                        started: run.started,
                        ended: at,
                        in_flight: run.in_flight,
                        limited: false,
                        held_back: false,
                        kind: call.kind,
                        end: real.map_or(End::Success, |(_, end)| end),
                    };
                    return Some((at, Due::Ends(call, sample)));
                }
                Stage::Runs(_) | Stage::Refused => {}
            }
        }
    }

    fn get(&mut self, id: ShadowId) -> Option<&mut Shadow> {
        self.slots.get_mut(id.slot).filter(|shadow| shadow.generation == id.generation)
    }

    pub(super) fn forget(&mut self, id: ShadowId) {
        if let Some(shadow) = self.get(id) {
            shadow.generation = shadow.generation.wrapping_add(1);
            shadow.stage = Stage::Refused;
            self.free.push(id.slot);
        }
    }
}

impl Shadow {
    fn run(&self) -> Option<Run> {
        if let Stage::Runs(run) = self.stage { Some(run) } else { None }
    }

    /// When it gives its seat back; none while that is not known.
    fn ends_at(&self) -> Option<Moment> {
        let run = self.run()?;
        run.until.or_else(|| self.ended.map(|(ran, _)| run.started + ran))
    }
}
