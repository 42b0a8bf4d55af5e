//! What happens to idempotency keys, in the store that keeps them, and in handlers of events.

use std::time::Duration;

use metrics::{Counter, Histogram};

use super::{bounded, increment};
use crate::{catalog, labels::Settled, metrics::Metrics};

/// Counts what becomes of keys, taken over now and then.
#[derive(Clone, Debug)]
pub struct KeyMetrics {
    claimed: Counter,
    taken_over: Counter,
    settled: Counter,
    replayed: Counter,
    busy: Counter,
    conflicting: Counter,
    held: Counter,
    resolved: Counter,
    fenced: Counter,
    in_doubt: Counter,
}

/// What happened to keys since the edge began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// Keys claimed.
    pub claimed: u64,
    /// Of them, keys of lost workers.
    pub taken_over: u64,
    /// Attempts that ended with a record.
    pub settled: u64,
    /// Duplicates that found an outcome.
    pub replayed: u64,
    /// Looks that found somebody else at work.
    pub busy: u64,
    /// Duplicates with another payload.
    pub conflicting: u64,
    /// Keys held.
    pub held: u64,
    /// Keys resolved.
    pub resolved: u64,
    /// Late writes refused.
    pub fenced: u64,
    /// Writes without an answer.
    pub in_doubt: u64,
}

/// Counts requests to DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoDbMetrics {
    requests: Counter,
    retried: Counter,
    throttled: Counter,
    lost: Counter,
    duration: Histogram,
}

/// What was sent to DynamoDB since the edge began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DynamoDbCounts {
    /// Requests.
    pub requests: u64,
    /// Of them, those sent again.
    pub retried: u64,
    /// Of them, those put off.
    pub throttled: u64,
    /// Of them, those without an answer.
    pub lost: u64,
}

/// Counts what one handler of events does.
#[derive(Clone, Debug)]
pub struct HandlerMetrics {
    runs: Counter,
    deliveries: [Counter; Settled::ALL.len()],
}

impl Metrics {
    /// The handles of idempotency keys.
    pub fn keys(&self) -> KeyMetrics {
        let counter = |metric| self.counter(metric, &[]);
        KeyMetrics {
            claimed: counter(&catalog::KEYS_CLAIMED),
            taken_over: counter(&catalog::KEYS_TAKEN_OVER),
            settled: counter(&catalog::KEYS_SETTLED),
            replayed: counter(&catalog::KEYS_REPLAYED),
            busy: counter(&catalog::KEYS_BUSY),
            conflicting: counter(&catalog::KEYS_CONFLICTING),
            held: counter(&catalog::KEYS_HELD),
            resolved: counter(&catalog::KEYS_RESOLVED),
            fenced: counter(&catalog::KEY_WRITES_FENCED),
            in_doubt: counter(&catalog::KEY_WRITES_IN_DOUBT),
        }
    }

    /// The handles of a table of DynamoDB.
    pub fn dynamodb(&self) -> DynamoDbMetrics {
        DynamoDbMetrics {
            requests: self.counter(&catalog::DYNAMODB_REQUESTS, &[]),
            retried: self.counter(&catalog::DYNAMODB_RETRIED, &[]),
            throttled: self.counter(&catalog::DYNAMODB_THROTTLED, &[]),
            lost: self.counter(&catalog::DYNAMODB_LOST, &[]),
            duration: self.histogram(&catalog::DYNAMODB_DURATION, &[]),
        }
    }

    /// The handles of one handler, by its scope. The same name gives the same counts.
    pub fn handler(&self, scope: &str) -> HandlerMetrics {
        let (_, handler) = bounded(&mut self.names.lock().handlers, "", scope);
        HandlerMetrics {
            runs: self.counter(&catalog::HANDLER_RUNS, &[handler]),
            deliveries: Settled::ALL
                .map(|how| self.counter(&catalog::HANDLER_DELIVERIES, &[handler, how.as_str()])),
        }
    }
}

impl KeyMetrics {
    /// Takes over what has happened. The counts never go down.
    pub fn observe(&self, counts: KeyCounts) {
        self.claimed.absolute(counts.claimed);
        self.taken_over.absolute(counts.taken_over);
        self.settled.absolute(counts.settled);
        self.replayed.absolute(counts.replayed);
        self.busy.absolute(counts.busy);
        self.conflicting.absolute(counts.conflicting);
        self.held.absolute(counts.held);
        self.resolved.absolute(counts.resolved);
        self.fenced.absolute(counts.fenced);
        self.in_doubt.absolute(counts.in_doubt);
    }
}

impl DynamoDbMetrics {
    /// Takes over what was sent. The counts never go down.
    pub fn observe(&self, counts: DynamoDbCounts) {
        self.requests.absolute(counts.requests);
        self.retried.absolute(counts.retried);
        self.throttled.absolute(counts.throttled);
        self.lost.absolute(counts.lost);
    }

    /// Notes how long a request took.
    pub fn took(&self, duration: Duration) {
        self.duration.record(duration.as_secs_f64());
    }
}

impl HandlerMetrics {
    /// Counts a run.
    pub fn ran(&self) {
        self.runs.increment(1);
    }

    /// Counts the end of a delivery.
    pub fn ended(&self, how: Settled) {
        increment(&self.deliveries, how.index());
    }
}
