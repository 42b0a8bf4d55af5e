//! What handlers made of a root event, for whoever published it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use headgate_idempotency::{HeldAs, Records, Settlement, StoreError};
use headgate_types::TraceId;
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{Deliver, publisher::Publication};

/// How often a waiting caller looks who is told nothing, because another process settles.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A handler with the name that its results are given under.
#[derive(Clone)]
pub struct Registered {
    /// The name.
    pub name: Arc<str>,
    /// The handler.
    pub handler: Arc<dyn Deliver>,
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Answers what became of publications. Clones are handles of the same one.
#[derive(Clone, Debug)]
pub struct Results {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    records: Records,
    handlers: RwLock<Arc<[Registered]>>,
    /// Callers that wait, by their traces; they are as many as exchanges.
    waiting: Mutex<HashMap<TraceId, (usize, Arc<Notify>)>>,
    /// Spares a settlement nobody waits for the lock.
    waiters: AtomicUsize,
}

/// What is known of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// There is none, or it is somebody else's.
    Unknown,
    /// Some handlers have not settled it.
    Pending {
        /// Handlers that have.
        settled: usize,
        /// Handlers that take it.
        handlers: usize,
    },
    /// Every handler has settled it: the results by the handlers' names.
    Settled(BTreeMap<Arc<str>, HandlerResult>),
}

/// What a handler made of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandlerResult {
    /// Its result, JSON.
    Done(Bytes),
    /// It refused the event for good, JSON: `{"error":"…"}`.
    Rejected(Bytes),
    /// It failed as often as it may.
    Parked {
        /// Why, in a line.
        error: String,
    },
    /// Whether its effect happened is not known; a person looks.
    Held {
        /// Why, in a line.
        error: String,
    },
    /// The event came too late.
    Expired,
    /// Its key was used for another event's data.
    Conflict,
}

impl HandlerResult {
    /// The result as JSON: the handler's own, or an object with an `error`.
    pub fn json(&self) -> Bytes {
        let error = match self {
            Self::Done(result) | Self::Rejected(result) => return result.clone(),
            // The error's text may tell of what only operators should see.
            Self::Parked { .. } => "given up",
            Self::Held { .. } => "in doubt",
            Self::Expired => "expired",
            Self::Conflict => "conflict",
        };
        Bytes::from(serde_json::json!({ "error": error }).to_string())
    }

    /// How an event stands that is settled. None: it is not.
    fn of(settlement: Settlement) -> Option<Self> {
        Some(match settlement {
            Settlement::Done { result } | Settlement::Replayed { result, rejected: false } => {
                Self::Done(result)
            }
            Settlement::Rejected { result } | Settlement::Replayed { result, rejected: true } => {
                Self::Rejected(result)
            }
            Settlement::Waiting(held) if held.state == HeldAs::Parked => {
                Self::Parked { error: held.error }
            }
            Settlement::Waiting(held) => Self::Held { error: held.error },
            Settlement::Expired => Self::Expired,
            Settlement::Conflict => Self::Conflict,
            _ => return None,
        })
    }
}

impl Results {
    /// No handlers yet.
    pub fn new(records: Records) -> Self {
        let (handlers, waiting) = (RwLock::new(Arc::default()), Mutex::default());
        let waiters = AtomicUsize::new(0);
        Self { inner: Arc::new(Inner { records, handlers, waiting, waiters }) }
    }

    /// Replaces the handlers, at any time. Results of those that are gone are not given any more.
    pub fn set_handlers(&self, handlers: Vec<Registered>) {
        *self.inner.handlers.write() = handlers.into();
    }

    /// What is known of the publication of a trace, to its owner. Costs a read, and one for each
    /// handler of the event.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn look(&self, trace: TraceId, owner: &str) -> Result<Looked, StoreError> {
        let found = Publication::read(&self.inner.records, trace).await?;
        let Some(publication) = found.filter(|it| it.owner == owner) else {
            return Ok(Looked::Unknown);
        };
        self.gather(&publication).await
    }

    /// As [`look`](Self::look), but waits until every handler has settled, for so long at most.
    ///
    /// # Errors
    ///
    /// As [`look`](Self::look).
    pub async fn wait(
        &self,
        trace: TraceId,
        owner: &str,
        at_most: Duration,
    ) -> Result<Looked, StoreError> {
        let until = Instant::now() + at_most;
        let found = Publication::read(&self.inner.records, trace).await?;
        let Some(publication) = found.filter(|it| it.owner == owner) else {
            return Ok(Looked::Unknown);
        };
        let waiter = Waiter::new(self, trace);
        loop {
            // Made before the look, so that a settlement after it is heard.
            let told = waiter.told.notified();
            let mut told = std::pin::pin!(told);
            told.as_mut().enable();
            let looked = self.gather(&publication).await?;
            if matches!(looked, Looked::Settled(_)) || Instant::now() >= until {
                return Ok(looked);
            }
            let next = until.min(Instant::now() + LOOK_EVERY);
            // Told or not, the next look tells.
            drop(timeout_at(next, told).await);
        }
    }

    /// A handler has settled an event of a trace.
    pub fn told(&self, trace: TraceId) {
        if self.inner.waiters.load(Ordering::SeqCst) == 0 {
            return;
        }
        if let Some((_, told)) = self.inner.waiting.lock().get(&trace) {
            told.notify_waiters();
        }
    }

    async fn gather(&self, publication: &Publication) -> Result<Looked, StoreError> {
        let handlers = Arc::clone(&self.inner.handlers.read());
        let takes = |it: &&Registered| {
            let terms = it.handler.terms();
            *terms.topic == *publication.topic && terms.kind == publication.event.kind
        };
        let (mut results, mut all) = (BTreeMap::new(), 0);
        for it in handlers.iter().filter(takes) {
            all += 1;
            let standing = it.handler.standing(&publication.event).await?;
            if let Some(result) = standing.and_then(HandlerResult::of) {
                results.insert(Arc::clone(&it.name), result);
            }
        }
        if results.len() < all {
            return Ok(Looked::Pending { settled: results.len(), handlers: all });
        }
        Ok(Looked::Settled(results))
    }
}

/// A caller that waits, until it is dropped.
struct Waiter<'a> {
    results: &'a Results,
    trace: TraceId,
    told: Arc<Notify>,
}

impl<'a> Waiter<'a> {
    fn new(results: &'a Results, trace: TraceId) -> Self {
        results.inner.waiters.fetch_add(1, Ordering::SeqCst);
        let mut waiting = results.inner.waiting.lock();
        let (callers, told) = waiting.entry(trace).or_default();
        *callers += 1;
        Self { results, trace, told: Arc::clone(told) }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.results.inner.waiting.lock();
        if let Some((callers, _)) = waiting.get_mut(&self.trace) {
            *callers -= 1;
            if *callers == 0 {
                waiting.remove(&self.trace);
            }
        }
        self.results.inner.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}
