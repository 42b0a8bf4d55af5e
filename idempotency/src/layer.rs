//! A tower layer that gives every request with a key one recorded answer.

use std::{
    error::Error,
    fmt::{Debug, Display},
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use headgate_types::{Event, TraceId, UnixTime};
use tower::{Layer, Service};

use crate::{
    claim::{Claim, Claimed, Held, OnLost},
    error::{CommitError, Lost},
    fingerprint::Fingerprint,
    key::{KeyError, RecordKey, Scope},
    outcome::{Blame, Commit, Release},
    records::Records,
    store::StoreError,
    ticket::Ticket,
};

/// What a request asks for, as it is known again.
#[derive(Clone, Debug)]
pub struct Work {
    /// What names it, such as an order's number.
    pub key: Bytes,
    /// Of what it says: the same key with another one is a conflict.
    pub fingerprint: Fingerprint,
    /// Kept with the record.
    pub trace: Option<TraceId>,
}

/// An answer that can be recorded and given again.
pub trait Replay: Sized {
    /// The answer as it is recorded.
    fn record(&self) -> Bytes;

    /// The answer from exactly what was recorded.
    ///
    /// # Errors
    ///
    /// For bytes that are no such answer, as another version of the program may have recorded.
    fn replay(recorded: Bytes) -> Result<Self, Box<dyn Error + Send + Sync>>;
}

impl Replay for Bytes {
    fn record(&self) -> Bytes {
        self.clone()
    }

    fn replay(recorded: Bytes) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(recorded)
    }
}

/// Gives every request one recorded answer for its key, however often it comes.
///
/// A request first claims its key, and is served under a lease that a heartbeat holds; its answer
/// is recorded, and given to whoever comes with the key later. A request that failed gives its key
/// back. This is mode leased: what the service does outside happens once for each time that it is
/// started. A [`Handler`](crate::Handler) can do better.
#[derive(Clone, Debug)]
pub struct IdempotencyLayer<N> {
    records: Records,
    scope: Scope,
    name: N,
    lease: Duration,
    ttl: Duration,
    on_lost: OnLost,
}

impl<N> IdempotencyLayer<N> {
    /// Keeps records in a scope, by what `name` says that a request asks for. Lease and time to
    /// live are those of the records' settings, and lost work is tried again.
    pub fn new(records: Records, scope: Scope, name: N) -> Self {
        let (lease, ttl) = (records.settings().lease, records.settings().ttl);
        Self { records, scope, name, lease, ttl, on_lost: OnLost::Retry }
    }

    /// How long a claim holds without a beat.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// How long an answer is kept.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// What becomes of a request whose worker is lost.
    #[must_use]
    pub fn on_lost(self, on_lost: OnLost) -> Self {
        Self { on_lost, ..self }
    }
}

impl IdempotencyLayer<fn(&Event) -> Work> {
    /// Keeps records of events, by the key that each names or else by its source and id.
    pub fn events(records: Records, scope: Scope) -> Self {
        Self::new(records, scope, event)
    }
}

/// What an event asks for.
fn event(event: &Event) -> Work {
    Work {
        key: event.work_key().into(),
        fingerprint: Fingerprint::of_json(&event.data),
        trace: Some(event.trace_id),
    }
}

impl<S, N: Clone> Layer<S> for IdempotencyLayer<N> {
    type Service = Idempotency<S, N>;

    fn layer(&self, inner: S) -> Self::Service {
        Idempotency { layer: self.clone(), inner }
    }
}

/// A service whose requests have one recorded answer for each key.
#[derive(Clone, Debug)]
pub struct Idempotency<S, N> {
    layer: IdempotencyLayer<N>,
    inner: S,
}

/// Why a request got no answer, by what its caller does next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError<E> {
    /// Another request works on the key: ask again then.
    #[error("another request works on the key")]
    Busy {
        /// When.
        until: UnixTime,
    },
    /// The key was used for another payload.
    #[error("the key was used for another payload")]
    Conflict,
    /// A person must look at the key.
    #[error("the key is held")]
    Held(Held),
    /// The key is another request's by now. What the service did outside the store is done.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The key can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The recorded answer is not readable.
    #[error("the recorded answer is not readable")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
    /// The store gave no answer, or the answer could not be recorded.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The service failed, and the key is free again.
    #[error("{0}")]
    Service(E),
}

impl<E> LayerError<E> {
    /// The stable code, with a page in `docs/errors`. None: the service's own error, which has or
    /// has not a code of its own.
    pub const fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::Busy { .. } => "HG1411",
            Self::Conflict => "HG1412",
            Self::Held(_) => "HG1413",
            Self::Lost(lost) => lost.code(),
            Self::Key(_) => "HG1415",
            Self::Unreadable(_) => "HG1416",
            Self::Commit(error) => error.code(),
            Self::Service(_) => return None,
        })
    }
}

impl<E> From<StoreError> for LayerError<E> {
    fn from(error: StoreError) -> Self {
        Self::Commit(error.into())
    }
}

impl<R, S, N> Service<R> for Idempotency<S, N>
where
    R: Send + 'static,
    S: Service<R, Response: Replay + Send, Error: Display + Send, Future: Send>,
    S: Clone + Send + 'static,
    N: Fn(&R) -> Work + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = LayerError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(LayerError::Service)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // Readiness belongs to the service that was polled, so that one is moved into the future.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let IdempotencyLayer { records, scope, name, lease, ttl, on_lost } = self.layer.clone();
        let Work { key, fingerprint, trace } = name(&request);
        Box::pin(async move {
            let key = RecordKey::new(&scope, key)?;
            let claim = Claim { key, fingerprint, lease, ttl, on_lost, trace };
            let ticket = match records.claim(claim).await? {
                Claimed::Run(ticket) => ticket,
                Claimed::Replay(recorded) => {
                    return S::Response::replay(recorded.result).map_err(LayerError::Unreadable);
                }
                Claimed::Busy { until } => return Err(LayerError::Busy { until }),
                Claimed::Conflict => return Err(LayerError::Conflict),
                Claimed::Held(held) => return Err(LayerError::Held(held)),
            };
            match records.while_held(&ticket, inner.call(request)).await? {
                Ok(response) => {
                    let commit = Commit::new(response.record());
                    let committed = records.commit(ticket, commit).await;
                    committed.map_err(|uncommitted| uncommitted.error)?;
                    Ok(response)
                }
                Err(error) => {
                    give_back(&records, ticket, error.to_string()).await;
                    Err(LayerError::Service(error))
                }
            }
        })
    }
}

/// Frees a key whose request failed. That it can't be freed costs the next request one lease, and
/// must not hide the failure.
async fn give_back(records: &Records, ticket: Ticket, error: String) {
    let release = Release {
        due: records.unix_time(),
        error,
        blame: Blame::Handler,
        delayed: None,
        also: Vec::new(),
    };
    if let Err(uncommitted) = records.release(ticket, release).await {
        tracing::warn!(error = %uncommitted.error, "key not given back before its lease ends");
    }
}
