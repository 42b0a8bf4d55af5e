//! Asking a gate for a permit, and waiting for it for a moment where that is worth it.

use std::sync::Arc;

use headgate_router::overload::{
    concurrency::{Asked, Call, Gate},
    queue::Ticket,
    verdict::Verdict,
};
use headgate_types::{Clock, Moment};
use tokio::sync::oneshot;

use super::{Permit, Waits};
use crate::timer::SpareTimer;

/// No partition: none has a share of an upstream's limit.
pub(crate) const NO_PARTITION: usize = usize::MAX;

/// One call at one gate.
pub(crate) struct Asking<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) timer: &'a SpareTimer,
    pub(crate) gate: &'a Arc<Gate<Waits>>,
    pub(crate) call: &'a Call,
}

impl Asking<'_> {
    /// The permit, or why there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up the wait, and the permit.
    pub(crate) async fn permit(&self, now: Moment) -> Verdict<Permit> {
        let mut hears = None;
        let asked = self.gate.admit_or_wait(self.call, now, || {
            let (waits, hearing) = Waits::new();
            hears = Some(hearing);
            waits
        });
        match (asked, hears) {
            (Asked::Admitted(permit), _) => Verdict::Admitted(permit),
            (Asked::Refused(refusal), _) => Verdict::Refused(refusal),
            // Boxed: it is rare, and would make every exchange as large as itself.
            (Asked::Queued(ticket, until), Some(hears)) => {
                Box::pin(self.wait(ticket, until, hears)).await
            }
            (Asked::Queued(ticket, _), None) => {
                self.gate.abandon(ticket, now);
                self.gate.admit(self.call, now)
            }
        }
    }

    /// Waits for the verdict, until a moment at the latest.
    async fn wait(
        &self,
        ticket: Ticket,
        until: Moment,
        mut hears: oneshot::Receiver<Verdict<Permit>>,
    ) -> Verdict<Permit> {
        let leaving = Leaving { clock: self.clock, gate: self.gate, ticket: Some(ticket) };
        let limit = until.since(self.clock.now());
        let heard = self.timer.within(limit, &mut hears).await;
        leaving.stay();
        if let Some(Ok(verdict)) = heard {
            return verdict;
        }
        if let Some(refusal) = self.gate.leave(ticket, self.clock.now()) {
            return Verdict::Refused(refusal);
        }
        match hears.try_recv() {
            Ok(verdict) => verdict,
            // The gate stopped to enforce meanwhile.
            Err(_) => self.gate.admit(self.call, self.clock.now()),
        }
    }
}

/// Takes a call out of the queue if whoever makes it leaves while it waits.
struct Leaving<'a> {
    clock: &'a dyn Clock,
    gate: &'a Arc<Gate<Waits>>,
    ticket: Option<Ticket>,
}

impl Leaving<'_> {
    fn stay(mut self) {
        self.ticket = None;
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.gate.abandon(ticket, self.clock.now());
        }
    }
}
