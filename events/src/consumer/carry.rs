//! Carries out one piece of work: delivers, and sees to it that what it was taken from is settled.

use std::{sync::Arc, time::Duration};

use headgate_idempotency::{
    Aside, CommitError, Delivery, HeldAs, Order, Reason, Settlement, StoreError, dead_letter,
    letter_id,
};
use headgate_store::{Batch, Condition, Content, Key, Operation};
use headgate_telemetry::GroupMetrics;
use headgate_types::{Event, UnixTime};

use super::work::{End, Report, What, Work};
use crate::{
    Deliver, Entry, Parts,
    letter::{self, LETTERS},
    notice::{Class, Notice},
};

/// The store, where what handlers need is named.
pub(super) const STORE: &str = "store";
/// Before work is looked at again that somebody else was faster with.
pub(super) const SOON: Duration = Duration::from_millis(50);
/// Before an event of a paused series is looked at again: a commit for each.
const PAUSED_LOOK: Duration = Duration::from_secs(2);
/// A dead letter is written once for as long as topics keep entries by default.
const ONCE: Duration = Duration::from_hours(8 * 24);

/// What all pieces of work of a consumer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) parts: Parts,
    pub(super) handler: Handler,
    pub(super) topic: String,
    pub(super) scope: String,
    /// The delay queue of keys that wait.
    pub(super) tickets: String,
    pub(super) metrics: Option<GroupMetrics>,
}

/// The handler, which has no form to be shown in.
pub(super) struct Handler(pub(super) Arc<dyn Deliver>);

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handler").field(self.0.scope()).finish()
    }
}

impl Shared {
    pub(super) fn new(parts: Parts, handler: Arc<dyn Deliver>) -> Self {
        let terms = handler.terms();
        let (topic, scope) = (terms.topic.to_string(), terms.scope.to_string());
        let metrics = parts.metrics.as_ref().map(|metrics| metrics.group(&scope));
        // No scope has a `#` in it.
        let tickets = format!("{scope}#keys");
        Self { parts, handler: Handler(handler), topic, scope, tickets, metrics }
    }

    pub(super) fn is_ordered(&self) -> bool {
        self.handler.0.terms().order == Order::PerKey
    }

    /// Carries out a piece of work. The operation commits the offset, and is written with the
    /// outcome where that is possible.
    pub(super) async fn carry(&self, work: &Work, offset: Option<Operation>) -> Report {
        match &work.what {
            What::Event { event, offset: at } if self.is_ordered() => {
                self.carry_in_order(event, (work.partition, *at), offset).await
            }
            What::Event { event, .. } => {
                let also = offset.into_iter().collect();
                let delivery = Delivery { also, ..Delivery::first(event.clone()) };
                self.deliver_once(&delivery).await
            }
            What::Undecodable { entry, error } => self.park(entry, error, offset).await,
            What::Delayed { due, delivery } => {
                self.redelivered();
                let take = take(&self.scope, due.due, &due.id);
                match self.deliver(delivery).await {
                    Ok((report, false)) => self.take(take).await.err().unwrap_or(report),
                    Ok((report, true)) | Err(report) => report,
                }
            }
            What::Ticket { due } => self.drain(&work.key, due).await,
        }
    }

    /// Delivers an event from the log, of which nothing can be gone.
    pub(super) async fn deliver_once(&self, delivery: &Delivery) -> Report {
        match self.deliver(delivery).await {
            Err(Report { end: End::Gone, .. }) => self.soon(),
            Ok((report, _)) | Err(report) => report,
        }
    }

    /// Delivers, and tells whether what the delivery brought along was written.
    ///
    /// # Errors
    ///
    /// The report of a delivery that has to be made again, or that somebody else has made.
    pub(super) async fn deliver(&self, delivery: &Delivery) -> Result<(Report, bool), Report> {
        let event = &delivery.event;
        let settlement = match self.delivered(delivery).await {
            Ok(settlement) => settlement,
            Err(CommitError::Store(error)) => return Err(Report::down(STORE, &error)),
            // What it was taken from was taken by somebody else.
            Err(CommitError::Refused { .. }) => return Err(Report::of(End::Gone)),
            Err(error) => {
                tracing::warn!(%error, scope = %self.scope, "delivery is made again");
                return Err(self.soon());
            }
        };
        match &settlement {
            Settlement::Busy { until } => return Err(Report::again(Some(*until))),
            Settlement::Fenced => return Err(self.soon()),
            Settlement::Dependency { name, error } => return Err(Report::down(name, error)),
            Settlement::Conflict => {
                self.letter(event, (Reason::Conflict, "its key was used for other data")).await?;
            }
            Settlement::Waiting(held) if held.state == HeldAs::InDoubt => {
                self.letter(event, (Reason::InDoubt, &held.error)).await?;
            }
            _ => {}
        }
        self.observe(event, &settlement);
        let report = match settlement {
            Settlement::Deferred { until, .. } => Report::settled().due(until),
            _ => Report::settled(),
        };
        let report = Report { ran: delivery.ran.took(), ..report };
        Ok((report, settlement.is_recorded()))
    }

    /// Delivers, unless operators have said otherwise of the series. One that is cancelled while
    /// its handler is at work is told so by being dropped, and what it had not committed with it.
    async fn delivered(&self, delivery: &Delivery) -> Result<Settlement, CommitError> {
        let handler = &self.handler.0;
        let Some(series) = &self.parts.series else { return handler.deliver(delivery).await };
        let trace = delivery.event.trace_id;
        match series.known(trace).await {
            Some(control) if control.is_cancelled => {}
            Some(_) => return handler.set_aside(delivery, Aside::Paused(PAUSED_LOOK)).await,
            None => tokio::select! {
                biased;
                settled = handler.deliver(delivery) => return settled,
                _cancelled = series.cancelled(trace) => {}
            },
        }
        handler.set_aside(delivery, Aside::Cancelled).await
    }

    /// Tells whoever wants to know how a delivery ended.
    fn observe(&self, event: &Event, settlement: &Settlement) {
        if let Some((class, error)) = Class::of(settlement) {
            self.notify(class, Some(event), error);
        }
        if let (Settlement::Parked { .. }, Some(metrics)) = (settlement, &self.metrics) {
            metrics.parked();
        }
        if let Some(results) = &self.parts.results {
            results.told(event.trace_id);
        }
        if let (true, Some(relay)) = (settlement.is_recorded(), &self.parts.relay) {
            relay.nudge();
        }
    }

    pub(super) fn notify(&self, class: Class, event: Option<&Event>, error: String) {
        self.parts.notify.notify(&Notice {
            class,
            scope: self.scope.clone(),
            topic: self.topic.clone(),
            event: event.map(|event| event.id.to_string()),
            trace: event.map(|event| event.trace_id),
            error,
            time: Some(self.parts.clock.unix_time()),
        });
    }

    /// Takes an entry out of a delay queue by itself.
    pub(super) async fn take(&self, take: Operation) -> Result<(), Report> {
        match self.parts.records.store().commit(Batch::new().with(take)).await {
            // Somebody else took it.
            Ok(_) | Err(StoreError::Refused(_)) => Ok(()),
            Err(error) => Err(Report::down(STORE, &error)),
        }
    }

    /// Writes the dead letter of an event whose record does not, once.
    async fn letter(&self, event: &Event, why: (Reason, &str)) -> Result<(), Report> {
        let scope = self.handler.0.scope();
        let now = self.parts.clock.unix_time();
        let Ok(child) = dead_letter(event, scope, why, 1, now) else { return Ok(()) };
        self.write_once(&letter_id(event, scope), child, None).await
    }

    /// Parks an entry that is no event, with its bytes.
    async fn park(&self, entry: &Entry, error: &str, offset: Option<Operation>) -> Report {
        let now = self.parts.clock.unix_time();
        let child = letter::undecodable(&self.scope, &self.topic, (entry, error), now);
        let id = child.id.clone();
        if let Err(report) = self.write_once(&id, child, offset).await {
            return report;
        }
        self.notify(Class::Undecodable, None, error.to_owned());
        if let Some(metrics) = &self.metrics {
            metrics.parked();
        }
        Report::settled()
    }

    async fn write_once(
        &self,
        id: &str,
        child: headgate_idempotency::Child,
        offset: Option<Operation>,
    ) -> Result<(), Report> {
        let store = self.parts.records.store();
        let key = Key::new(LETTERS, format!("{}#{id}", self.scope));
        let expires = Some(self.parts.clock.unix_time() + ONCE);
        let batch =
            Batch::new().put(key, Content { expires, ..Content::default() }, Condition::Absent);
        let batch = offset.into_iter().fold(batch, Batch::with);
        match store.commit(store.emit(batch, vec![child])).await {
            Ok(_) => {}
            Err(StoreError::Refused(_)) => return Ok(()),
            Err(error) => return Err(Report::down(STORE, &error)),
        }
        if let Some(relay) = &self.parts.relay {
            relay.nudge();
        }
        Ok(())
    }

    pub(super) fn redelivered(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.redelivered();
        }
    }

    /// The work is to be looked at again a moment later.
    pub(super) fn soon(&self) -> Report {
        Report::again(Some(self.parts.clock.unix_time() + SOON))
    }
}

pub(super) fn take(queue: &str, due: UnixTime, id: &bytes::Bytes) -> Operation {
    Operation::Take { queue: queue.to_owned(), due, id: id.clone() }
}
