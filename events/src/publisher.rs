//! Publishes root events, together with what is needed to ask for their results.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_idempotency::{
    Child, Claim, ClaimCheck, Commit, CommitError, Once, Random, Seen, StateWrite, StoreError,
    claim_check::CheckInError, partition_of,
};
use headgate_store::{Batch, Condition, Content, Key};
use headgate_types::{DATA_BYTES_MAX, Event, InvalidEvent, SpanId, TraceId, UnixTime};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{LogError, Message, Parts};

/// The space of publications, by their traces.
const SPACE: &str = "hg.publications";
/// As long as handlers' outcomes are kept by default.
const KEPT: Duration = Duration::from_hours(24);
/// Large data outlasts its event in the topic, so that whoever is still at work on it finds it.
pub const APART_MARGIN: Duration = Duration::from_hours(24);

/// Publishes root events. Clones share what they work with.
#[derive(Clone, Debug)]
pub struct Publisher {
    parts: Parts,
    kept: Duration,
    claim_check: Option<ClaimCheck>,
}

/// An event to publish.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The topic.
    pub topic: Arc<str>,
    /// The event, made by [`Event::root`].
    pub event: Event,
    /// Who may ask for its results. None: nobody.
    pub owner: Option<String>,
    /// The claim of the key that the publisher's client gave. A second event of the same key and
    /// payload is not published. None: it is published however often it comes, and consumers know
    /// its id.
    pub claim: Option<Claim>,
}

/// An event is published, and durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The event as it stands: the first one of its key or id.
    pub event: Event,
    /// Whether it was published before.
    pub is_repeated: bool,
}

/// Why an event was not published.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No log accepts it.
    #[error("the event can't be published")]
    Invalid(#[from] InvalidEvent),
    /// Its data is too large to travel with it, and there is no room for it elsewhere.
    #[error("the event's data can't be kept")]
    Apart(#[from] CheckInError),
    /// Its key was used for another payload.
    #[error("the key was used for another event")]
    Conflict,
    /// Somebody publishes under its key just now.
    #[error("the key is in use")]
    Busy {
        /// When asking again makes sense.
        until: UnixTime,
    },
    /// The store did not take it, or gave no answer. Publish it again.
    #[error("the store did not take the event")]
    Store(#[source] CommitError),
    /// The log did not take it, or gave no answer. Publish it again.
    #[error("the log did not take the event")]
    Log(#[from] LogError),
}

impl PublishError {
    /// The stable code, with a page in `docs/errors`. None: the client's key decides, and whoever
    /// answers the client has the code.
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Invalid(_) | Self::Apart(CheckInError::TooLarge { .. }) => Some("HG0060"),
            Self::Conflict | Self::Busy { .. } => None,
            Self::Apart(CheckInError::Store(error)) => Some(error.code()),
            Self::Apart(_) => Some("HG0074"),
            Self::Store(error) => Some(error.code()),
            Self::Log(error) => Some(error.code()),
        }
    }
}

impl From<StoreError> for PublishError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

/// What is kept of a publication, for whoever asks for its results.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    topic: String,
    owner: String,
    event: Box<RawValue>,
}

/// A publication that was found.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) topic: String,
    pub(crate) owner: String,
    pub(crate) event: Event,
    expires: Option<UnixTime>,
}

impl Publication {
    /// The publication of a trace. None: there is none, or it is not kept any more.
    pub(crate) async fn read(
        records: &headgate_idempotency::Records,
        trace: TraceId,
    ) -> Result<Option<Self>, StoreError> {
        let found = records.store().get(&key(trace)).await?;
        let read = found.and_then(|item| {
            let written: Written = serde_json::from_slice(&item.content.value).ok()?;
            let event = Bytes::copy_from_slice(written.event.get().as_bytes());
            Some(Self {
                topic: written.topic,
                owner: written.owner,
                event: Event::decode(&event).ok()?,
                expires: item.content.expires,
            })
        });
        let now = records.unix_time();
        Ok(read.filter(|it| it.expires.is_none_or(|expires| expires > now)))
    }
}

impl Publisher {
    /// A publisher. What is said of topics is as the parts have it: a change needs a new publisher.
    pub fn new(parts: Parts) -> Self {
        Self { parts, kept: KEPT, claim_check: None }
    }

    /// Keeps data apart that is too large for an event, which otherwise is no event.
    #[must_use]
    pub fn with_claim_check(self, claim_check: ClaimCheck) -> Self {
        Self { claim_check: Some(claim_check), ..self }
    }

    /// Keeps publications for another time than a day.
    #[must_use]
    pub fn keep_for(self, kept: Duration) -> Self {
        Self { kept, ..self }
    }

    /// Publishes an event, and returns once it is durable.
    ///
    /// # Errors
    ///
    /// [`PublishError`]. After [`PublishError::Store`] and [`PublishError::Log`] it may be
    /// published or not; to publish it again under the same id is safe.
    ///
    /// # Cancel safety
    ///
    /// A publication that is dropped may take place or not, as a whole.
    pub async fn publish(&self, publish: Publish) -> Result<Published, PublishError> {
        let Publish { topic, event, owner, claim } = publish;
        let event = self.lighten(&topic, event).await?;
        let payload = event.encode()?;
        let child = Child {
            id: event.id.to_string(),
            topic: topic.to_string(),
            partition: partition_of(&event.partition_key, self.parts.topics.partitions(&topic)),
            time: event.time,
            payload: payload.clone(),
        };
        let publication = owner.map(|owner| self.publication(&topic, owner, &event, &payload));
        let published = match (claim, publication) {
            (Some(claim), publication) => self.once(claim, (event, child), publication).await?,
            (None, Some(publication)) => self.kept(event, child, publication).await?,
            (None, None) => {
                let message = Message::event(&self.parts.topics, &topic, event.clone());
                self.parts.log.append(vec![message]).await?;
                Published { event, is_repeated: false }
            }
        };
        if !published.is_repeated {
            let metrics = self.parts.metrics.as_ref();
            if let Some(metrics) = metrics.filter(|_| published.event.probe.is_none()) {
                metrics.topic(&topic).published();
            }
            if let Some(relay) = &self.parts.relay {
                relay.nudge();
            }
        }
        Ok(published)
    }

    /// The event as it travels: without its data, where that is too large and can be kept apart.
    async fn lighten(&self, topic: &str, event: Event) -> Result<Event, PublishError> {
        let Some(claim_check) = &self.claim_check else { return Ok(event) };
        if event.data.len() <= DATA_BYTES_MAX {
            return Ok(event);
        }
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(&event.data) {
            return Err(InvalidEvent::DataNotJson { reason: error.to_string() }.into());
        }
        let retention = self.parts.topics.get(topic).retention.age.unwrap_or_default();
        let keep = retention.saturating_add(APART_MARGIN);
        let reference = claim_check.check_in(&event.data, keep).await?;
        Ok(event.apart(reference.to_string().into()))
    }

    /// Publishes the first event of a client's key.
    async fn once(
        &self,
        claim: Claim,
        (event, child): (Event, Child),
        mut publication: Option<StateWrite>,
    ) -> Result<Published, PublishError> {
        loop {
            let commit = Commit {
                state: publication.iter().cloned().collect(),
                emit: vec![child.clone()],
                ..Commit::new(child.payload.clone())
            };
            return match self.parts.records.once(claim.clone(), commit).await {
                Ok(Once::Committed(_)) => Ok(Published { event, is_repeated: false }),
                Ok(Once::Replay(recorded)) => match Event::decode(&recorded.result) {
                    Ok(event) => Ok(Published { event, is_repeated: true }),
                    // What stands under the key is no publication.
                    Err(_) => Err(PublishError::Conflict),
                },
                Ok(Once::Busy { until }) => Err(PublishError::Busy { until }),
                Ok(Once::Conflict | Once::Held(_)) => Err(PublishError::Conflict),
                // Another root of the same trace has its place.
                Err(CommitError::StateConflict { .. }) if publication.take().is_some() => continue,
                Err(error) => Err(PublishError::Store(error)),
            };
        }
    }

    /// Publishes an event whose results somebody may ask for.
    async fn kept(
        &self,
        event: Event,
        child: Child,
        publication: StateWrite,
    ) -> Result<Published, PublishError> {
        let store = self.parts.records.store();
        let content = publication.content.unwrap_or_default();
        let batch = Batch::new().put(publication.key, content, Condition::Absent);
        match store.commit(store.emit(batch, vec![child.clone()])).await {
            Ok(_) => return Ok(Published { event, is_repeated: false }),
            Err(StoreError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let first = Publication::read(&self.parts.records, event.trace_id).await?;
        if let Some(first) = first
            && (&first.event.id, &first.event.source) == (&event.id, &event.source)
        {
            return Ok(Published { event: first.event, is_repeated: true });
        }
        // Another root of the same trace has its place; this one has no results of its own.
        tracing::debug!(trace = %event.trace_id, "trace has another publication");
        store.commit(store.emit(Batch::new(), vec![child])).await?;
        Ok(Published { event, is_repeated: false })
    }

    fn publication(
        &self,
        topic: &str,
        owner: String,
        event: &Event,
        payload: &Bytes,
    ) -> StateWrite {
        // An event that was encoded is JSON.
        let event_json = serde_json::from_slice(payload).unwrap_or_default();
        let written = Written { topic: topic.to_owned(), owner, event: event_json };
        let value = serde_json::to_vec(&written).unwrap_or_default().into();
        let expires = Some(self.parts.clock.unix_time() + self.kept);
        StateWrite {
            key: key(event.trace_id),
            seen: Seen::Absent,
            content: Some(Content { value, expires, ..Content::default() }),
        }
    }
}

/// An id for an event that no key names: 128 random bits in hexadecimal.
pub fn fresh_id(random: &dyn Random) -> String {
    format!("{:016x}{:016x}", random.bits(), random.bits())
}

/// A trace and a span for what begins a series that no request began. None: the bits were all zero,
/// which neither may be.
pub(crate) fn fresh_series(random: &dyn Random) -> Option<(TraceId, SpanId)> {
    let mut trace = [0; 16];
    let (high, low) = trace.split_at_mut(8);
    high.copy_from_slice(&random.bits().to_be_bytes());
    low.copy_from_slice(&(random.bits() | 1).to_be_bytes());
    let span = (random.bits() | 1).to_be_bytes();
    Some((TraceId::from_bytes(trace)?, SpanId::from_bytes(span)?))
}

fn key(trace: TraceId) -> Key {
    Key::new(SPACE, trace.to_string())
}
