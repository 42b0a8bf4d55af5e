//! What is pushed to clients, and to how many.

use metrics::{Counter, Gauge};

use crate::{catalog, metrics::Metrics};

/// Counts what is pushed to clients.
#[derive(Clone, Debug)]
pub struct PushMetrics {
    open: Gauge,
    refused: Counter,
    cut_off: Counter,
    given: Counter,
}

impl Metrics {
    /// The handles for what is pushed to clients.
    pub fn push(&self) -> PushMetrics {
        PushMetrics {
            open: self.gauge(&catalog::PUSH_OPEN, &[]),
            refused: self.counter(&catalog::PUSH_REFUSED, &[]),
            cut_off: self.counter(&catalog::PUSH_CUT_OFF, &[]),
            given: self.counter(&catalog::PUSH_GIVEN, &[]),
        }
    }
}

impl PushMetrics {
    /// A connection is open.
    pub fn opened(&self) {
        self.open.increment(1.0);
    }

    /// A connection has ended.
    pub fn closed(&self) {
        self.open.decrement(1.0);
    }

    /// Counts a connection that found no place.
    pub fn refused(&self) {
        self.refused.increment(1);
    }

    /// Counts connections that were too slow.
    pub fn cut_off(&self, connections: u64) {
        self.cut_off.increment(connections);
    }

    /// Counts what was given to connections.
    pub fn given(&self, events: u64) {
        self.given.increment(events);
    }
}
