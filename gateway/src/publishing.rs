//! What the data path asks of whoever keeps events.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_idempotency::{Claim, root_id};
use headgate_types::{Event, Identity, TraceId};

/// An answer on its way.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps events, and tells what came of them. Whoever wires an edge knows the log.
pub trait Publish: fmt::Debug + Send + Sync {
    /// Appends the first event of a series. It is acknowledged when it is durable, and not before.
    fn publish(&self, publication: Publication) -> Asked<'_, Result<Published, NotPublished>>;

    /// What came of the first event of a series, for its owner. Waits as long as it is asked to
    /// while handlers are at work.
    fn results(&self, ask: ResultsAsk) -> Asked<'_, Result<Results, Unavailable>>;
}

/// The first event of a series, as a request makes it.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The topic.
    pub topic: Arc<str>,
    /// The event.
    pub event: Event,
    /// Whose results these are.
    pub owner: Owner,
    /// The claim of the request's `idempotency-key`. None: it has none.
    pub claim: Option<Claim>,
}

/// Who may ask for the results of a series, as an opaque name that tells no subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// A caller that an identity source vouches for.
    pub fn of(identity: &Identity) -> Self {
        let subject = root_id("owner", &identity.source, &identity.subject);
        Self(format!("{}/{subject}", identity.source).into())
    }

    /// Nobody: only the exchange that publishes the event knows its id.
    pub fn nobody(event_id: &str) -> Self {
        // No source of identities has a name that begins so.
        Self(format!("-/{event_id}").into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An event is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The series: of the first request with the key, where this is a repeat.
    pub trace: TraceId,
    /// Whether an earlier request made the event.
    pub is_repeated: bool,
}

/// Why an event is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPublished {
    /// The key was used for another payload.
    Conflict,
    /// No log takes such an event.
    Invalid,
    /// Its data is large, and there is no room for more of such data.
    NoRoom,
    /// The log or its store is down, or full.
    Unavailable,
}

/// The store of results is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Which results are asked for.
#[derive(Clone, Debug)]
pub struct ResultsAsk {
    /// The series.
    pub trace: TraceId,
    /// Who asks.
    pub owner: Owner,
    /// How long to wait at most while handlers are at work.
    pub wait: Duration,
}

/// What came of the first event of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Results {
    /// There is no such series, or it is somebody else's.
    Unknown,
    /// Handlers are at work.
    Running {
        /// Those that are done.
        settled: usize,
        /// All.
        handlers: usize,
    },
    /// Every handler is done: a JSON object with the result of each by its name.
    Settled(Bytes),
}
