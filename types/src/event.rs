//! The envelope of an event: the attributes that travel with its data.

mod attributes;
mod json;
mod step;

use std::sync::Arc;

use bytes::Bytes;

pub use self::{
    json::DecodeEventError,
    step::{DEPTH_MAX, ParseStepError, Step, TooDeep},
};
use crate::{Class, SpanId, TraceId, UnixTime};

/// Bytes of an event's data at most. CloudEvents 1.0.2, "Size Limits": what every intermediary must
/// forward.
pub const DATA_BYTES_MAX: usize = 64 << 10;
/// Bytes of each of an event's attributes at most. Two of them form a key of an idempotency record.
pub const ATTRIBUTE_BYTES_MAX: usize = 255;

/// An event: the attributes of CloudEvents 1.0 and of its documented extensions, and the data.
///
/// Nothing in it changes between deliveries, so a redelivery, a relay and a redrive hand over the
/// same event. How often it was delivered stands beside it, not in it.
///
/// Its data is JSON: as it came in an `Event<Bytes>`, decoded in an `Event<T>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<T = Bytes> {
    /// Unique for its source. `id`.
    pub id: Arc<str>,
    /// Who made it. `source`; with the id, what tells two events apart.
    pub source: Arc<str>,
    /// What happened, with its version, such as `order.placed.v1`. `type`.
    pub kind: Arc<str>,
    /// What it happened to, for people. `subject`.
    pub subject: Option<Arc<str>>,
    /// The entity: events of one key stay in order. `partitionkey`.
    pub partition_key: Arc<str>,
    /// When it happened, whole milliseconds. `time`.
    pub time: UnixTime,
    /// The series: the same for a root and for everything that follows from it. `correlationid`,
    /// and the trace of `traceparent`.
    pub trace_id: TraceId,
    /// The span in which the root was made; the same for the whole series. `traceparent`.
    pub span_id: SpanId,
    /// Whether a collector gets the series' trace, as far as it is told to one; handed on to what
    /// follows. The flag of `traceparent`.
    pub is_sampled: bool,
    /// The event whose handling emitted this one. None: a root. `causationid`.
    pub causation_id: Option<Arc<str>>,
    /// The place in the series. `hgstep`.
    pub step: Step,
    /// What the producer calls the same piece of work. None: source and id do. `hgkey`.
    pub key: Option<Arc<str>>,
    /// From when it is not handled any more, whole milliseconds. None: never. `expirytime`.
    pub expires_at: Option<UnixTime>,
    /// What it is worth; handed on to what follows. `hgprio`, 0 to 3.
    pub priority: Class,
    /// Who is told what comes of the series, as an opaque name; handed on to what follows. None:
    /// nobody. `hgowner`.
    pub owner: Option<Arc<str>>,
    /// The probe that the series is, by its name; handed on to what follows. None: it is no probe.
    /// `hgprobe`.
    pub probe: Option<Arc<str>>,
    /// Where the data is that is too large to travel with the event, whose own data is `null` then.
    /// None: it is here. `dataref`.
    pub data_ref: Option<Arc<str>>,
    /// What happened, in detail. `data`.
    pub data: T,
}

/// What a root event begins with. The rest of its attributes are set on the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Unique for its source.
    pub id: Arc<str>,
    /// Who makes it.
    pub source: Arc<str>,
    /// What happened, with its version.
    pub kind: Arc<str>,
    /// The entity.
    pub partition_key: Arc<str>,
    /// When it happened.
    pub time: UnixTime,
    /// The series that it begins.
    pub trace_id: TraceId,
    /// The span in which it is made.
    pub span_id: SpanId,
}

/// What an event that follows from another one has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Unique for its source.
    pub id: Arc<str>,
    /// Who makes it.
    pub source: Arc<str>,
    /// What happened, with its version.
    pub kind: Arc<str>,
    /// The entity.
    pub partition_key: Arc<str>,
    /// When it happened.
    pub time: UnixTime,
    /// Its place among what follows from the same event; the first is 1.
    pub ordinal: u32,
}

/// Why an event is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// An attribute that every event has is empty.
    #[error("the event has no {attribute}")]
    Missing {
        /// The attribute, as CloudEvents calls it.
        attribute: &'static str,
    },
    /// An attribute is too long.
    #[error("the event's {attribute} has {bytes} bytes, at most {ATTRIBUTE_BYTES_MAX} are allowed")]
    AttributeTooLarge {
        /// The attribute, as CloudEvents calls it.
        attribute: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The data is too long.
    #[error("the event's data has {bytes} bytes, at most {DATA_BYTES_MAX} are allowed")]
    DataTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The data is no JSON.
    #[error("the event's data is no JSON: {reason}")]
    DataNotJson {
        /// Where it stops being JSON.
        reason: String,
    },
}

impl<T> Event<T> {
    /// The first event of a series.
    pub fn root(root: Root, data: T) -> Self {
        let Root { id, source, kind, partition_key, time, trace_id, span_id } = root;
        Self {
            id,
            source,
            kind,
            subject: None,
            partition_key,
            time,
            trace_id,
            span_id,
            is_sampled: true,
            causation_id: None,
            step: Step::root(),
            key: None,
            expires_at: None,
            priority: Class::default(),
            owner: None,
            probe: None,
            data_ref: None,
            data,
        }
    }

    /// An event that follows from this one: of the same series, priority and owner, a probe if this
    /// one is, one step further.
    ///
    /// # Errors
    ///
    /// [`TooDeep`] when the series has [`DEPTH_MAX`] steps up to here, as one that feeds itself.
    pub fn follow<U>(&self, follow: Follow, data: U) -> Result<Event<U>, TooDeep> {
        let Follow { id, source, kind, partition_key, time, ordinal } = follow;
        Ok(Event {
            id,
            source,
            kind,
            subject: None,
            partition_key,
            time,
            trace_id: self.trace_id,
            span_id: self.span_id,
            is_sampled: self.is_sampled,
            causation_id: Some(Arc::clone(&self.id)),
            step: self.step.follow(ordinal)?,
            key: None,
            expires_at: None,
            priority: self.priority,
            owner: self.owner.clone(),
            probe: self.probe.clone(),
            data_ref: None,
            data,
        })
    }

    /// The same event with other data, such as the decoded form.
    pub fn with_data<U>(self, data: U) -> Event<U> {
        Event {
            id: self.id,
            source: self.source,
            kind: self.kind,
            subject: self.subject,
            partition_key: self.partition_key,
            time: self.time,
            trace_id: self.trace_id,
            span_id: self.span_id,
            is_sampled: self.is_sampled,
            causation_id: self.causation_id,
            step: self.step,
            key: self.key,
            expires_at: self.expires_at,
            priority: self.priority,
            owner: self.owner,
            probe: self.probe,
            data_ref: self.data_ref,
            data,
        }
    }

    /// What names the work that the event asks for: its key, or else its source and id.
    pub fn work_key(&self) -> String {
        match &self.key {
            Some(key) => format!("key:{key}"),
            None => format!("id:{}\n{}", self.source, self.id),
        }
    }

    /// Whether it is too late to handle the event.
    pub fn is_expired(&self, now: UnixTime) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    fn validate_attributes(&self) -> Result<(), InvalidEvent> {
        let required = [
            ("id", &self.id),
            ("source", &self.source),
            ("type", &self.kind),
            ("partitionkey", &self.partition_key),
        ];
        if let Some((attribute, _)) = required.iter().find(|(_, value)| value.is_empty()) {
            return Err(InvalidEvent::Missing { attribute });
        }
        let optional = [
            ("subject", &self.subject),
            ("causationid", &self.causation_id),
            ("hgkey", &self.key),
            ("hgowner", &self.owner),
            ("hgprobe", &self.probe),
            ("dataref", &self.data_ref),
        ];
        let optional = optional.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?)));
        let too_large = |(_, value): &(&str, &Arc<str>)| value.len() > ATTRIBUTE_BYTES_MAX;
        match required.into_iter().chain(optional).find(too_large) {
            Some((attribute, value)) => {
                Err(InvalidEvent::AttributeTooLarge { attribute, bytes: value.len() })
            }
            None => Ok(()),
        }
    }
}

impl Event {
    /// Finds what no log accepts. An event that was decoded has passed this.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`]: the first fault. Costs a pass over the data.
    pub fn validate(&self) -> Result<(), InvalidEvent> {
        self.validate_lengths()?;
        json::raw(&self.data).map(|_| ())
    }

    /// The same event with a reference in place of its data, which is kept elsewhere.
    #[must_use]
    pub fn apart(self, reference: Arc<str>) -> Self {
        Self { data_ref: Some(reference), data: Bytes::from_static(b"null"), ..self }
    }

    fn validate_lengths(&self) -> Result<(), InvalidEvent> {
        self.validate_attributes()?;
        let bytes = self.data.len();
        if bytes > DATA_BYTES_MAX {
            return Err(InvalidEvent::DataTooLarge { bytes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
