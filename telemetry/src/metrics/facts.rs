//! What is kept of exchanges: facts of their requests, and events.

use metrics::Counter;

use crate::{catalog, metrics::Metrics};

/// Counts what is kept of exchanges.
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
}

impl FactsMetrics {
    /// Counts facts that last.
    pub fn written(&self, count: u64) {
        self.written.increment(count);
    }

    /// Counts facts that are lost.
    pub fn dropped(&self, count: u64) {
        self.dropped.increment(count);
    }
}
