//! What is kept of exchanges, facts of their requests and events, and of a node's timeline.

use metrics::Counter;

use crate::{catalog, metrics::Metrics};

/// Counts what is kept of what is told.
#[derive(Clone, Debug)]
pub struct FactsMetrics {
    written: Counter,
    dropped: Counter,
}

impl Metrics {
    /// The handles of the facts that are kept of requests.
    pub fn facts(&self) -> FactsMetrics {
        let facts = |result| self.counter(&catalog::FACTS, &[result]);
        FactsMetrics { written: facts("written"), dropped: facts("dropped") }
    }

    /// The handles of exchanges as events.
    pub fn exchanges(&self) -> FactsMetrics {
        let exchanges = |result| self.counter(&catalog::EXCHANGE_EVENTS, &[result]);
        FactsMetrics { written: exchanges("written"), dropped: exchanges("dropped") }
    }

    /// The handles of this node's timeline as events.
    pub fn timeline(&self) -> FactsMetrics {
        let events = |result| self.counter(&catalog::TIMELINE_EVENTS, &[result]);
        FactsMetrics { written: events("written"), dropped: events("dropped") }
    }
}

impl FactsMetrics {
    /// Counts what lasts.
    pub fn written(&self, count: u64) {
        self.written.increment(count);
    }

    /// Counts what is lost.
    pub fn dropped(&self, count: u64) {
        self.dropped.increment(count);
    }
}
