//! Runs a handler for one delivery, and records what came of it.

mod aside;
mod judge;
mod look;
mod run;
mod tell;

use std::sync::Arc;

use headgate_store::NAME_BYTES_MAX;
use headgate_telemetry::{HandlerMetrics, Settled};
use headgate_types::Event;

pub use self::aside::Aside;
use self::{
    judge::{Attempt, Verdict},
    run::calm,
};
use crate::{
    claim::{Claim, Claimed, Once, Recorded},
    claim_check::DataRef,
    context::{Journal, Mode as _, Shared, source},
    dead_letter::DEAD_LETTERS,
    delivery::{Delivery, Settlement},
    derived::child_id,
    error::{CommitError, Uncommitted},
    fingerprint::Fingerprint,
    handler::{Handler, Terms},
    key::{KeyError, RecordKey, Scope},
    outcome::{Blame, Outcome, Release},
    partition::Partitions,
    records::{Records, glance::Glance},
    settings::{Settings, SettingsFault},
    ticket::Ticket,
};

/// Runs of one attempt at most, where others write the state that it reads.
pub const RUNS_MAX: u32 = 6;

/// A handler whose recorded effects happen once for each key.
///
/// What the handler writes, emits, pushes and returns is committed together or not at all, and for
/// one key once. The handler itself may be started several times.
///
/// The record's states follow AWS Powertools' idempotency utility; that the record, the state and
/// the emitted events are one commit, and that every write asks for owner and fence, is ours.
#[derive(Clone, Debug)]
pub struct Decorated<H> {
    handler: Arc<H>,
    records: Records,
    terms: Arc<Terms>,
    scope: Scope,
    source: Arc<str>,
    partitions: Partitions,
    metrics: Option<HandlerMetrics>,
}

/// Terms on which no handler can be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTerms {
    /// The scope is no name, or too long to name the topic of its dead letters.
    #[error("the scope can't be used")]
    Scope(#[source] KeyError),
    /// The times do not fit together.
    #[error("the handler's times do not fit together")]
    Times(#[source] SettingsFault),
}

impl InvalidTerms {
    /// The stable code, with a page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Scope(_) => "HG1409",
            Self::Times(_) => "HG1410",
        }
    }
}

/// What an event is to its handler.
struct Work<T> {
    claim: Claim,
    decoded: Decoded<T>,
}

/// An event as its handler takes it, or why it does not. None: its data stands apart, and is
/// fetched for a run.
type Decoded<T> = Option<Result<Event<T>, String>>;

impl<H: Handler> Decorated<H> {
    /// Puts a handler in front of its records.
    ///
    /// # Errors
    ///
    /// [`InvalidTerms`]: the first fault of its terms.
    pub fn new(handler: H, records: Records) -> Result<Self, InvalidTerms> {
        let terms = handler.terms();
        let scope = Scope::new(&terms.scope).map_err(InvalidTerms::Scope)?;
        let times = Settings { lease: terms.lease, ttl: terms.ttl, ..records.settings().clone() };
        let faults = times.validate(None).err().unwrap_or_default();
        if let Some(fault) = faults.into_iter().next() {
            return Err(InvalidTerms::Times(fault));
        }
        let bytes = scope.as_str().len();
        if bytes + DEAD_LETTERS.len() > NAME_BYTES_MAX {
            return Err(InvalidTerms::Scope(KeyError::TooLong { bytes }));
        }
        let (handler, source) = (Arc::new(handler), source(&scope));
        let (terms, partitions) = (Arc::new(terms), Partitions::default());
        Ok(Self { handler, records, terms, scope, source, partitions, metrics: None })
    }

    /// Emits to topics that have their own numbers of partitions.
    #[must_use]
    pub fn with_partitions(self, partitions: Partitions) -> Self {
        Self { partitions, ..self }
    }

    /// Counts runs, and how deliveries end.
    #[must_use]
    pub fn with_metrics(self, metrics: HandlerMetrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Runs the handler for a delivery, unless its key has an outcome, and records what came of it.
    ///
    /// # Errors
    ///
    /// [`CommitError::Store`] when the store gave no answer or did not write, and
    /// [`CommitError::Refused`] when something that the delivery brought along does not hold.
    /// Deliver again: what was written is known again then.
    ///
    /// # Cancel safety
    ///
    /// A delivery that is dropped may have been committed or not, as a whole. Its key may be busy
    /// until the lease is over.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<Settlement, CommitError> {
        let ended = self.settle(delivery).await;
        if let Some(metrics) = &self.metrics {
            metrics.ended(ended.as_ref().map_or(Settled::Failed, Settlement::word));
        }
        ended
    }

    async fn settle(&self, delivery: &Delivery) -> Result<Settlement, CommitError> {
        if delivery.event.is_expired(self.records.unix_time()) {
            return Ok(Settlement::Expired);
        }
        let work = self.work(&delivery.event);
        if H::Mode::CLAIMS {
            self.claimed(delivery, work).await
        } else {
            self.once(delivery, work).await
        }
    }

    /// Mode transactional: the outcome is written by one commit, with no claim before it.
    async fn once(
        &self,
        delivery: &Delivery,
        work: Work<H::Data>,
    ) -> Result<Settlement, CommitError> {
        let Work { claim, mut decoded } = work;
        let mut found = match self.records.glance(&claim).await? {
            Glance::Stands(once) => return Ok(standing(once).unwrap_or(Settlement::Fenced)),
            Glance::Free(found) => found,
        };
        let attempt = Attempt { delivery, key: &claim.key, number: delivery.attempt };
        for run in 1.. {
            let ran = self.run((delivery, &claim.key), decoded, None).await;
            let Verdict { outcome, settlement } = self.judge(&attempt, ran);
            let Some(outcome) = outcome else { return Ok(settlement) };
            match self.records.once_over(&claim, outcome, found.take().map(|record| *record)).await
            {
                Ok(once) => return Ok(standing(once).unwrap_or(settlement)),
                Err(CommitError::StateConflict { .. }) if run < RUNS_MAX => {}
                Err(error) => {
                    let (outcome, settlement) = self.instead(&attempt, error)?;
                    let once = self.records.once(claim, outcome).await?;
                    return Ok(standing(once).unwrap_or(settlement));
                }
            }
            decoded = decode::<H>(&delivery.event);
        }
        Ok(Settlement::Fenced)
    }

    /// The other modes: the key is claimed, and held by a heartbeat while the handler runs.
    async fn claimed(
        &self,
        delivery: &Delivery,
        work: Work<H::Data>,
    ) -> Result<Settlement, CommitError> {
        let Work { claim, mut decoded } = work;
        let key = claim.key.clone();
        let mut ticket = match self.records.claim(claim).await? {
            Claimed::Run(ticket) => ticket,
            Claimed::Replay(recorded) => return Ok(replayed(recorded)),
            Claimed::Busy { until } => return Ok(Settlement::Busy { until }),
            Claimed::Conflict => return Ok(Settlement::Conflict),
            Claimed::Held(held) => return Ok(Settlement::Waiting(held)),
        };
        let number = u32::try_from(ticket.attempt()).unwrap_or(u32::MAX).max(delivery.attempt);
        let attempt = Attempt { delivery, key: &key, number };
        for run in 1.. {
            let shared = Arc::new(ticket);
            let journal = Journal::new(Arc::clone(&shared));
            let running = self.run((delivery, &key), decoded, Some(journal));
            let Ok(ran) = self.records.while_held(&shared, running).await else { break };
            // The run had the other handle, and is over.
            let Some(held) = Arc::into_inner(shared) else { break };
            let Verdict { outcome, settlement } = self.judge(&attempt, ran);
            let Some(outcome) = outcome else { return self.give_back(held, settlement).await };
            match self.records.settle(held, outcome).await {
                Ok(_) => return Ok(settlement),
                Err(Uncommitted { ticket: None, .. }) => break,
                Err(Uncommitted { ticket: Some(kept), error }) => {
                    let is_conflict = matches!(error, CommitError::StateConflict { .. });
                    if !is_conflict || run >= RUNS_MAX {
                        return self.settle_instead(&attempt, kept, error).await;
                    }
                    ticket = kept;
                }
            }
            decoded = decode::<H>(&delivery.event);
        }
        Ok(Settlement::Fenced)
    }

    /// Ends an attempt whose outcome can't be written.
    async fn settle_instead(
        &self,
        attempt: &Attempt<'_>,
        ticket: Ticket,
        error: CommitError,
    ) -> Result<Settlement, CommitError> {
        match self.instead(attempt, error) {
            Ok((outcome, settlement)) => settled(self.records.settle(ticket, outcome).await)
                .map(|is_ours| if is_ours { settlement } else { Settlement::Fenced }),
            Err(error) => {
                // The next delivery need not wait for the lease. A store that is down lets it lapse.
                if let Err(lapse) = self.release(ticket, error.to_string()).await {
                    tracing::debug!(%lapse, "key not given back before its lease ends");
                }
                Err(error)
            }
        }
    }

    /// Gives a key back for which nothing was done, so that the next delivery need not wait.
    async fn give_back(
        &self,
        ticket: Ticket,
        settlement: Settlement,
    ) -> Result<Settlement, CommitError> {
        let Settlement::Dependency { name, .. } = &settlement else { return Ok(settlement) };
        let is_ours = self.release(ticket, name.clone()).await?;
        Ok(if is_ours { settlement } else { Settlement::Fenced })
    }

    async fn release(&self, ticket: Ticket, error: String) -> Result<bool, CommitError> {
        let (due, blame) = (self.records.unix_time(), Blame::Dependency);
        let release = Release { due, error, blame, delayed: None, also: Vec::new() };
        settled(self.records.settle(ticket, Outcome::Retry(release)).await)
    }

    /// The wish to work on an event, with the event as the handler takes it.
    fn work(&self, event: &Event) -> Work<H::Data> {
        let decoded = decode::<H>(event);
        let named = match &decoded {
            Some(Ok(event)) => self.named(event),
            // Whoever only looks how an event stands has no data that could name its work.
            Some(Err(_)) | None => Ok(None),
        };
        let (key, decoded) = match named {
            Ok(key) => (key.unwrap_or_else(|| self.own_key(event)), decoded),
            Err(error) => (self.own_key(event), Some(Err(error))),
        };
        let apart = event.data_ref.as_ref().filter(|_| decoded.is_none());
        let claim = Claim {
            key,
            fingerprint: apart.map_or_else(
                || Fingerprint::of_json(&event.data),
                |reference| Fingerprint::of_bytes(reference.as_bytes()),
            ),
            lease: self.terms.lease,
            ttl: self.terms.ttl,
            on_lost: self.terms.on_lost,
            trace: Some(event.trace_id),
        };
        Work { claim, decoded }
    }

    /// The key that the handler gives an event, or why it can't be used.
    fn named(&self, event: &Event<H::Data>) -> Result<Option<RecordKey>, String> {
        let raw = calm(|| self.handler.key(event))?;
        let key = raw.map(|raw| RecordKey::new(&self.scope, raw)).transpose();
        key.map_err(|error| error.to_string())
    }

    /// What names an event's work where its handler does not say.
    fn own_key(&self, event: &Event) -> RecordKey {
        // Too long only for an event that no log accepts; its hash names it as well.
        RecordKey::new(&self.scope, event.work_key()).unwrap_or_else(|_| {
            RecordKey::new(&self.scope, child_id(event, &self.scope, "#key"))
                .expect("a derived id is neither empty nor long")
        })
    }

    fn shared(&self, event: &Event, key: &RecordKey) -> Arc<Shared> {
        Arc::new(Shared {
            records: self.records.clone(),
            terms: Arc::clone(&self.terms),
            scope: self.scope.clone(),
            event: event.clone().with_data(()),
            source: Arc::clone(&self.source),
            partitions: self.partitions.clone(),
            key: key.clone(),
        })
    }
}

fn decode<H: Handler>(event: &Event) -> Decoded<H::Data> {
    let is_here = DataRef::in_place_of_data(event).is_none();
    is_here.then(|| with_data::<H>(event, &event.data))
}

/// An event with its data as the handler takes it, or why it does not.
fn with_data<H: Handler>(event: &Event, data: &[u8]) -> Result<Event<H::Data>, String> {
    let data = calm(|| serde_json::from_slice(data))?.map_err(|error| error.to_string())?;
    Ok(event.clone().with_data(data))
}

/// Whether a key was settled by its own ticket.
fn settled<T>(settled: Result<T, Uncommitted>) -> Result<bool, CommitError> {
    match settled {
        Ok(_) => Ok(true),
        Err(Uncommitted { error: CommitError::Fenced, .. }) => Ok(false),
        Err(Uncommitted { error, .. }) => Err(error),
    }
}

/// What stands under a key, as the end of a delivery. None: the delivery's own outcome, or nothing.
fn standing(once: Once) -> Option<Settlement> {
    match once {
        Once::Committed(_) => None,
        Once::Replay(recorded) => Some(replayed(recorded)),
        Once::Busy { until } => Some(Settlement::Busy { until }),
        Once::Conflict => Some(Settlement::Conflict),
        Once::Held(held) => Some(Settlement::Waiting(held)),
    }
}

fn replayed(recorded: Recorded) -> Settlement {
    Settlement::Replayed { result: recorded.result, rejected: recorded.rejected }
}
