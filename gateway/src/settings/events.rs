//! Events: topics, what publishes to them, and what handles them.

use std::{sync::Arc, time::Duration};

use headgate_idempotency::{Order, PARTITIONS_DEFAULT};
use headgate_router::event_key::EventKey;
use headgate_types::ByteSize;
use http::uri::PathAndQuery;

/// A week: a weekend, and time to notice on Monday.
const RETENTION: Duration = Duration::from_hours(7 * 24);
/// The first wait: a hiccup of a neighbor is over by then.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The longest wait: somebody may watch for the recovery.
const RETRY_LONGEST: Duration = Duration::from_mins(5);
/// With these waits a quarter of an hour at most.
const RETRY_MAX: u32 = 7;
/// Calls of one handler at once: a small function's own limit is of this order.
pub const HANDLER_CONCURRENCY: usize = 32;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its partitions.
    pub partitions: u32,
    /// How long its events are kept.
    pub retention: Duration,
}

impl Topic {
    /// A topic as those are of which nothing else is said.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), partitions: PARTITIONS_DEFAULT, retention: RETENTION }
    }
}

/// An event in place of a call upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The topic.
    pub topic: Arc<str>,
    /// The event's type.
    pub kind: Arc<str>,
    /// Where the event's partition key is in the request.
    pub key: EventKey,
    /// How long the client waits for results. Zero: not at all.
    pub wait: Duration,
    /// Bytes of a body at most.
    pub body_bytes_max: ByteSize,
    /// Whether a request without an `idempotency-key` is refused.
    pub is_key_required: bool,
    /// How long a key is remembered.
    pub ttl: Duration,
}

/// A function that handles events of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    /// The team that owns it.
    pub team: Arc<str>,
    /// Its name in the team.
    pub name: Arc<str>,
    /// The topic of its events.
    pub topic: Arc<str>,
    /// Their type.
    pub kind: Arc<str>,
    /// The upstream that is called, as an index into [`Settings::upstreams`](super::Settings).
    pub upstream: usize,
    /// The path that is called.
    pub path: PathAndQuery,
    /// Which events wait for one that is tried again.
    pub order: Order,
    /// What becomes of an event that fails.
    pub retry: Redelivery,
    /// Time of one call.
    pub timeout: Duration,
    /// Calls at once.
    pub concurrency: usize,
}

impl Handler {
    /// The scope of its records, the name of its consumer group, and the end of the name of its
    /// dead letters' topic. No name of a configuration has a dot.
    pub fn scope(&self) -> String {
        format!("{}.{}", self.team, self.name)
    }
}

/// What becomes of an event that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redelivery {
    /// Retries after the first attempt.
    pub max: u32,
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Redelivery {
    fn default() -> Self {
        Self { max: RETRY_MAX, first: RETRY_FIRST, longest: RETRY_LONGEST }
    }
}
