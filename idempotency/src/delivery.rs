//! One hand-over of an event to a handler, and how it ended.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use headgate_store::{Due, Operation};
use headgate_telemetry::Settled;
use headgate_types::{DecodeEventError, Event, InvalidEvent, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::claim::Held;

/// One hand-over of an event to a handler.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The event.
    pub event: Event,
    /// The number of this attempt, from 1, as far as whoever delivers knows. Where the handler
    /// claims its keys, the record knows too, and the larger counts.
    pub attempt: u32,
    /// What is written together with the outcome, whatever it is: the consumer group's offset, the
    /// delayed entry that is taken. Not written where the [`Settlement`] is not
    /// [recorded](Settlement::is_recorded).
    pub also: Vec<Operation>,
    /// Where the event goes when the attempt fails. None: into the delay queue that is called as
    /// the handler's scope.
    pub deferral: Option<Deferral>,
    /// How long the handler ran, while it does and after it.
    pub ran: RunTime,
}

/// How long a handler ran for a delivery, all of its runs together: without the time in which its
/// claim and its outcome were written.
#[derive(Clone, Debug, Default)]
pub struct RunTime(Arc<AtomicU64>);

impl RunTime {
    /// The runs that have ended. Zero: none has.
    pub fn took(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }
}

/// Where an event goes whose attempt failed, for whoever keeps the events of a key together.
#[derive(Clone)]
pub struct Deferral(Arc<Write>);

/// What is written for a next attempt.
type Write = dyn Fn(&Again) -> Vec<Operation> + Send + Sync;

/// The next attempt of an event.
#[derive(Clone, Debug)]
pub struct Again {
    /// When it is due.
    pub due: UnixTime,
    /// The event and the attempt's number, as [`Delivery::from_payload`] reads it.
    pub payload: Bytes,
}

impl Deferral {
    /// What is written in place of the entry in the handler's delay queue, and of what the delivery
    /// brought along. It must lead to the next attempt.
    pub fn new(write: impl Fn(&Again) -> Vec<Operation> + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }

    pub(crate) fn operations(&self, again: &Again) -> Vec<Operation> {
        (self.0)(again)
    }
}

impl fmt::Debug for Deferral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deferral")
    }
}

impl Delivery {
    /// The first hand-over of an event.
    pub fn first(event: Event) -> Self {
        Self { event, attempt: 1, also: Vec::new(), deferral: None, ran: RunTime::default() }
    }

    /// The hand-over of an event that was put off, without what it is taken from.
    ///
    /// # Errors
    ///
    /// [`DecodeEventError`]: the bytes are not what [`to_payload`](Self::to_payload) writes.
    pub fn from_payload(payload: &Bytes) -> Result<Self, DecodeEventError> {
        let Later { attempt, event } = serde_json::from_slice(payload)?;
        let event = Event::decode(&payload.slice_ref(event.get().as_bytes()))?;
        Ok(Self { attempt, ..Self::first(event) })
    }

    /// The event and the attempt's number, to be put off.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`]: no log accepts the event.
    pub fn to_payload(event: &Event, attempt: u32) -> Result<Bytes, InvalidEvent> {
        delayed(event, attempt)
    }

    /// The hand-over of an event whose time has come in a handler's delay queue, which is called as
    /// its scope. The entry is taken out with the outcome, so that of two that hand it over one
    /// does so for good.
    ///
    /// # Errors
    ///
    /// [`DecodeEventError`]: the entry is not one of a handler.
    pub fn from_delayed(queue: &str, due: &Due) -> Result<Self, DecodeEventError> {
        let (queue, id) = (queue.to_owned(), due.id.clone());
        let also = vec![Operation::Take { queue, due: due.due, id }];
        Ok(Self { also, ..Self::from_payload(&due.payload)? })
    }
}

/// An entry of a handler's delay queue: the whole event, and which attempt is the next.
#[derive(Serialize, Deserialize)]
struct Later<'a> {
    attempt: u32,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Writes an event as an entry of its handler's delay queue.
pub(crate) fn delayed(event: &Event, attempt: u32) -> Result<Bytes, InvalidEvent> {
    let not_json =
        |error: serde_json::Error| InvalidEvent::DataNotJson { reason: error.to_string() };
    let encoded = event.encode()?;
    let later = Later { attempt, event: serde_json::from_slice(&encoded).map_err(not_json)? };
    serde_json::to_vec(&later).map(Bytes::from).map_err(not_json)
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settlement {
    /// This delivery's result is recorded, with all that it wrote and emitted.
    Done {
        /// The result, JSON.
        result: Bytes,
    },
    /// This delivery refused the event for good, and the refusal is recorded.
    Rejected {
        /// What duplicates are answered, JSON: `{"error":"…"}`.
        result: Bytes,
    },
    /// An earlier delivery has the outcome. Nothing was written.
    Replayed {
        /// Exactly the bytes that the earlier one recorded.
        result: Bytes,
        /// Whether they are a refusal.
        rejected: bool,
    },
    /// The attempt failed. The event stands in the delay queue that is called as the scope.
    Deferred {
        /// When it is due.
        until: UnixTime,
        /// Why, in a line.
        error: String,
    },
    /// The event is given up; its dead letter is written.
    Parked {
        /// Why, in a line.
        error: String,
    },
    /// Whether an effect happened is not known, and the key is held for a person.
    Held {
        /// Why, in a line.
        error: String,
    },
    /// A person must look at the key, since an earlier delivery. Nothing was written.
    Waiting(Held),
    /// The event came too late, and was not handled. Nothing was written.
    Expired,
    /// The key was used for another event's data. Nothing was written; deliver it to nobody.
    Conflict,
    /// Another delivery works on the key. Nothing was written; deliver again.
    Busy {
        /// When.
        until: UnixTime,
    },
    /// Something that the handler needs is down. Nothing was written; deliver again when it is up.
    Dependency {
        /// What is down.
        name: String,
        /// Why, in a line.
        error: String,
    },
    /// Another delivery took the key over while this one ran, and has or will have the outcome.
    /// Nothing of this one was written; deliver again.
    Fenced,
}

impl Settlement {
    /// The word that metrics have for it.
    pub const fn word(&self) -> Settled {
        match self {
            Self::Done { .. } => Settled::Done,
            Self::Rejected { .. } => Settled::Rejected,
            Self::Replayed { .. } => Settled::Replayed,
            Self::Deferred { .. } => Settled::Deferred,
            Self::Parked { .. } => Settled::Parked,
            Self::Held { .. } => Settled::Held,
            Self::Waiting(_) => Settled::Waiting,
            Self::Expired => Settled::Expired,
            Self::Conflict => Settled::Conflict,
            Self::Busy { .. } => Settled::Busy,
            Self::Dependency { .. } => Settled::Dependency,
            Self::Fenced => Settled::Fenced,
        }
    }

    /// Whether the consumer is done with the delivery, so that its offset may move on.
    pub const fn is_settled(&self) -> bool {
        !matches!(self, Self::Busy { .. } | Self::Dependency { .. } | Self::Fenced)
    }

    /// Whether this delivery wrote an outcome, and with it what the delivery brought along. Where
    /// it is settled and not recorded, the consumer writes that by itself.
    pub const fn is_recorded(&self) -> bool {
        matches!(
            self,
            Self::Done { .. }
                | Self::Rejected { .. }
                | Self::Deferred { .. }
                | Self::Parked { .. }
                | Self::Held { .. }
        )
    }
}
