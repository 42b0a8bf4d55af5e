//! What the protective layers said to the exchange.

use headgate_router::overload::priority::is_heavy;
use headgate_types::{Moment, Outcome, Priority, TraceId};

use super::{Load, Record};
use crate::{
    edge::{FALLBACK, Route},
    error::Error,
    overload::{RULINGS_MAX, Ruled, Ruling, told},
};

impl Record {
    /// Notes what the request is worth.
    pub(crate) fn prioritized(&mut self, priority: Priority) {
        self.priority = Some(priority);
    }

    /// What the request is worth; the default's, until that is known.
    pub(crate) fn priority(&self) -> Priority {
        self.priority.unwrap_or_default()
    }

    /// Notes what a layer said.
    pub(crate) fn rule(&mut self, ruling: Ruling) {
        if self.rulings.len() < RULINGS_MAX {
            self.rulings.push(ruling);
        }
    }

    /// Counts the exchange as one that the edge serves.
    pub(crate) fn arrived(&mut self) {
        self.load = Load::Counted;
        self.edge.protection.meter.arrived();
    }

    /// Counts it as one no more: it has ended, or lasts for as long as it likes.
    pub(crate) fn left(&mut self, now: Moment) {
        if self.load == Load::Counted {
            self.load = Load::None;
            self.edge.protection.meter.ended(now.since(self.started()));
        }
    }

    /// Notes that its answer lasts for as long as it likes: only the head was waited for.
    pub(crate) fn lasts(&mut self, now: Moment) {
        self.left(now);
        self.load = Load::Lasting;
    }

    /// Notes that another upstream answers in the place of the route's own.
    pub(crate) fn falls_back(&mut self) {
        self.is_degraded = true;
        self.arm = Some(FALLBACK);
    }

    /// Notes that an answer of the configuration stands for the upstream's, and why.
    pub(crate) fn degrades(&mut self, error: Error) {
        self.is_degraded = true;
        self.code = Some(error.code());
        self.outcome = Some(Outcome::OkDegraded);
    }

    /// Whether something else answers in its upstream's place.
    pub(crate) fn is_degraded(&self) -> bool {
        self.is_degraded
    }

    /// The route, once it is known.
    pub(crate) fn route(&self) -> Option<&Route> {
        self.route.as_deref()
    }

    /// Whether the request changes nothing (RFC 9110, 9.2.1).
    pub(crate) fn is_safe(&self) -> bool {
        self.method.is_safe()
    }

    /// The trace that a trusted peer has begun: its calls belong together.
    pub(crate) fn trusted_trace(&self) -> Option<TraceId> {
        let context = &self.trace.context;
        (self.connection.peer_is_trusted && context.parent_id.is_some()).then_some(context.trace_id)
    }

    /// Whether a layer would have refused it, and only observes.
    pub(super) fn is_spared(&self) -> bool {
        self.rulings.iter().any(|ruling| ruling.ruled == Ruled::WouldRefuse)
    }

    /// Counts what layers said, under the route or as a request that no route took. Of a probe, how
    /// it ended says so.
    pub(super) fn count_rulings(&self) {
        if self.rulings.is_empty() || self.probe.is_some() {
            return;
        }
        let metrics = match &self.route {
            Some(route) => route.rulings(&self.edge),
            None => self.terms.rulings(&self.edge),
        };
        let priority = self.priority();
        let class = priority.class();
        self.rulings.iter().for_each(|ruling| metrics.ruled(told::count(class, ruling)));
        let worst = self.rulings.iter().map(|ruling| ruling.ruled).max().unwrap_or(Ruled::Admitted);
        self.edge.metrics.user_ruled(class, is_heavy(priority), told::ruled(worst));
    }
}
