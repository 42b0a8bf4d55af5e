//! Tells a collector of a handler's work, attempt by attempt.

use std::{fmt, sync::Arc};

use headgate_idempotency::{Aside, Delivery, RecordKey, Scope, Settlement, Terms};
use headgate_telemetry::otlp::{self, Spans};
use headgate_types::{Clock, Event};

use crate::{Deliver, Delivered, Stands};

/// A handler whose work on sampled series is told as spans.
pub struct Traced {
    handler: Arc<dyn Deliver>,
    spans: Spans,
    clock: Arc<dyn Clock>,
}

impl Traced {
    /// Tells of a handler.
    pub fn new(handler: Arc<dyn Deliver>, spans: Spans, clock: Arc<dyn Clock>) -> Self {
        Self { handler, spans, clock }
    }

    fn told<'a>(&'a self, delivery: &'a Delivery, settling: Delivered<'a>) -> Delivered<'a> {
        if !delivery.event.is_sampled {
            return settling;
        }
        Box::pin(async move {
            let (began, since) = (self.clock.unix_time(), self.clock.now());
            let settled = settling.await;
            let settlement = settled.as_ref().ok().filter(|settlement| has_ended(settlement));
            if let Some(settlement) = settlement {
                let terms = self.handler.terms();
                let handled = otlp::Handled {
                    scope: &terms.scope,
                    topic: &terms.topic,
                    attempt: delivery.attempt,
                    began,
                    took: self.clock.now().since(since),
                    settled: settlement.word(),
                    error: error(settlement),
                };
                self.spans.record(&otlp::handled(&delivery.event, &handled));
            }
            settled
        })
    }
}

impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traced").field(self.scope()).finish()
    }
}

/// Whether the handler's work ended so; else somebody else has done it, or it is to be done again
/// as if it had not begun.
const fn has_ended(settlement: &Settlement) -> bool {
    settlement.is_recorded() || matches!(settlement, Settlement::Expired | Settlement::Conflict)
}

fn error(settlement: &Settlement) -> Option<&str> {
    match settlement {
        Settlement::Rejected { result } => Some(std::str::from_utf8(result).unwrap_or_default()),
        Settlement::Deferred { error, .. }
        | Settlement::Parked { error }
        | Settlement::Held { error } => Some(error),
        Settlement::Expired | Settlement::Conflict => Some(settlement.word().as_str()),
        _ => None,
    }
}

impl Deliver for Traced {
    fn terms(&self) -> &Terms {
        self.handler.terms()
    }

    fn scope(&self) -> &Scope {
        self.handler.scope()
    }

    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> Delivered<'a> {
        self.told(delivery, self.handler.deliver(delivery))
    }

    fn set_aside<'a>(&'a self, delivery: &'a Delivery, aside: Aside) -> Delivered<'a> {
        match aside {
            Aside::Cancelled => self.told(delivery, self.handler.set_aside(delivery, aside)),
            // It waits, and no attempt is made.
            Aside::Paused(_) => self.handler.set_aside(delivery, aside),
        }
    }

    fn standing<'a>(&'a self, event: &'a Event) -> Stands<'a> {
        self.handler.standing(event)
    }

    fn key(&self, event: &Event) -> RecordKey {
        self.handler.key(event)
    }
}
