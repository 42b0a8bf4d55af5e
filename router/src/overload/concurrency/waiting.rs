//! Waiting at a gate: who may, for how long, and who is next.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use headgate_types::{Class, LEVELS, Moment, Priority};

use super::{
    Call, Gate, Permit, Waiter,
    inner::{PRESSED_WAIT_MAX, UNSURE_WAIT, Waited, Waiting, Who},
};
use crate::overload::{
    priority::Pages,
    queue::Ticket,
    verdict::{Reason, Refusal, Verdict},
};

impl<W: Waiter> Gate<W> {
    /// Takes a request that waits no more out of the queue; none if it has been answered already.
    pub fn leave(self: &Arc<Self>, ticket: Ticket, now: Moment) -> Option<Refusal> {
        self.advance(now);
        let mut inner = self.inner.lock();
        let waiting = inner.queue.leave(ticket)?;
        self.count_out(waiting.band);
        drop(inner);
        let waited = now.since(waiting.entered).as_secs_f64();
        let limit = self.wait_max(waiting.call.priority.class()).as_secs_f64();
        let refusal = self.refusal(&waiting.call, Reason::QueueWait, waited, limit);
        self.switch.settle(Some(refusal), waiting.call.draw)
    }

    /// Takes a request whose client has left out of the queue; counts as nothing.
    pub fn abandon(self: &Arc<Self>, ticket: Ticket, now: Moment) {
        self.advance(now);
        let left = self.inner.lock().queue.leave(ticket);
        if let Some(waiting) = left {
            self.count_out(waiting.band);
        }
    }

    pub(super) fn wait(
        self: &Arc<Self>,
        call: &Call,
        now: Moment,
        who: impl FnOnce() -> Who<W>,
    ) -> Result<(Ticket, Moment), Refusal> {
        let band = self.band(call);
        let mut inner = self.inner.lock();
        inner.update_if_due(self, now);
        let mut wait_max = self.wait_max(call.priority.class());
        if call.priority.class() == Class::Critical && inner.limit.is_unsure() {
            wait_max *= UNSURE_WAIT;
        }
        if self.is_pressed(call.priority.class()) {
            wait_max = wait_max.min(PRESSED_WAIT_MAX);
        }
        let rtt = inner.limit.no_load_rtt().unwrap_or_default();
        let left = call.deadline.map(|deadline| deadline.remaining(now).unwrap_or_default());
        if left.is_some_and(|left| left <= rtt / 2) {
            let left = left.unwrap_or_default().as_secs_f64();
            let needed = rtt.as_secs_f64() / 2.0;
            return Err(self.refusal(call, Reason::DeadlineTooClose, left, needed));
        }
        let allowed = left.map_or(wait_max, |left| wait_max.min(left.saturating_sub(rtt / 2)));
        let expected = inner.expected_wait(call, band, self.limit.load(Ordering::Relaxed));
        // A page waits as one.
        let is_with_page = inner.queue.has_page(band, call.tenant, call.page);
        if expected > allowed && !is_with_page {
            let (expected, allowed) = (expected.as_secs_f64(), allowed.as_secs_f64());
            return Err(self.refusal(call, Reason::QueueWait, expected, allowed));
        }
        let waiting = Waiting { call: *call, band, entered: now, who: who() };
        let (ticket, displaced) = inner.enter(waiting, now).map_err(|_full| {
            let capacity = self.settings.queue_capacity as f64;
            self.refusal(call, Reason::QueueFull, capacity, capacity)
        })?;
        if let Some(queued) = self.queued.get(band) {
            queued.fetch_add(1, Ordering::SeqCst);
            self.queued_total.fetch_add(1, Ordering::SeqCst);
        }
        drop(inner);
        if let Some(displaced) = displaced {
            self.count_out(displaced.band);
            self.refuse(displaced, Reason::QueueFull, now);
        }
        Ok((ticket, now + allowed))
    }

    fn grant(self: &Arc<Self>, waiting: Waiting<W>, now: Moment, in_flight: u32) {
        match waiting.who {
            Who::Waits(waiter) => {
                let permit = self.seated(&waiting.call, now, in_flight);
                if let Some(permit) = waiter.resolve(Verdict::Admitted(permit)) {
                    // The caller's loop finds the next one; a plain drop would nest for each.
                    permit.release_alone();
                }
            }
            Who::Follows(id) => {
                let waited = Waited { call: waiting.call, entered: waiting.entered };
                self.resolve_shadow(id, &waited, now, Ok(in_flight));
            }
        }
    }

    /// The call as its page's earlier calls make it: one class up when one was admitted.
    pub(super) fn continued(&self, call: &Call, now: Moment) -> Call {
        let pages = || self.pages.get();
        let is_begun =
            call.page.is_some_and(|page| pages().is_some_and(|pages| pages.is_begun(page, now)));
        let class = match call.priority.class() {
            Class::Critical | Class::Standard => Class::Critical,
            Class::BestEffort => Class::Standard,
            Class::Bulk => Class::BestEffort,
        };
        let priority =
            if is_begun { Priority::new(class, call.priority.level()) } else { call.priority };
        Call { priority, ..*call }
    }

    /// Counts an admission to a seat.
    pub(super) fn seated(self: &Arc<Self>, call: &Call, now: Moment, in_flight: u32) -> Permit<W> {
        self.note_admission(call, now);
        Permit::seated(Arc::clone(self), call, now, in_flight)
    }

    pub(super) fn note_admission(&self, call: &Call, now: Moment) {
        self.switch.settle(None, call.draw);
        if let Some(page) = call.page {
            self.pages.get_or_init(Pages::default).admitted(page, now);
        }
    }

    pub(super) fn wait_max(&self, class: Class) -> Duration {
        self.settings.wait_max.get(class.index()).copied().unwrap_or_default()
    }

    /// Whether a part of a class is shed, so that its waits are to be short: those of a class that
    /// is kept whole are not what the overload consists of.
    pub(super) fn is_pressed(&self, class: Class) -> bool {
        let end = (class.index() + 1) * usize::from(LEVELS);
        usize::from(self.threshold.first_shed()) < end
    }

    /// Tells a waiter that its wait is over.
    fn refuse(&self, waiting: Waiting<W>, reason: Reason, now: Moment) {
        let waiter = match waiting.who {
            Who::Waits(waiter) => waiter,
            Who::Follows(id) => {
                let waited = Waited { call: waiting.call, entered: waiting.entered };
                return self.resolve_shadow(id, &waited, now, Err(reason));
            }
        };
        let waited = now.since(waiting.entered).as_secs_f64();
        let limit = self.wait_max(waiting.call.priority.class()).as_secs_f64();
        let refusal = self.refusal(&waiting.call, reason, waited, limit);
        self.switch.settle(Some(refusal), waiting.call.draw);
        // A refusal carries no permit that could come back.
        drop(waiter.resolve(Verdict::Refused(refusal)));
    }

    /// Gives free seats to those who wait. Waiters are told outside the lock.
    pub(super) fn hand_over(self: &Arc<Self>, now: Moment) {
        while self.queued_total.load(Ordering::SeqCst) > 0 {
            let next = {
                let mut inner = self.inner.lock();
                inner.update_if_due(self, now);
                inner.next(self, now)
            };
            match next {
                None => return,
                Some((waiting, None)) => self.refuse(waiting, Reason::QueueStanding, now),
                Some((waiting, Some(in_flight))) => self.grant(waiting, now, in_flight),
            }
        }
    }
}
