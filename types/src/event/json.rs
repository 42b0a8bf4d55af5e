//! An event as one JSON object: the JSON event format of CloudEvents 1.0.2, structured mode.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Class, Event, InvalidEvent, SpanId, Step, TraceId, UnixTime};

pub(super) const SPECIFICATION: &str = "1.0";
pub(super) const JSON: &str = "application/json";
/// About what the attributes of an event take.
const ENVELOPE_BYTES: usize = 512;

/// Bytes that are no event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeEventError {
    /// They are no JSON object with the attributes of an event.
    #[error("the event is not readable")]
    Json(#[from] serde_json::Error),
    /// An attribute is not what it should be.
    #[error("the event's {attribute} is {value:?}")]
    Attribute {
        /// The attribute, as CloudEvents calls it.
        attribute: &'static str,
        /// What stands there.
        value: String,
    },
    /// The event breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    subject: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partitionkey: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    correlationid: Cow<'a, str>,
    #[serde(borrow)]
    traceparent: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    causationid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    hgstep: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    hgkey: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    expirytime: Option<Cow<'a, str>>,
    hgprio: usize,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    hgowner: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    hgprobe: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    dataref: Option<Cow<'a, str>>,
    #[serde(borrow)]
    datacontenttype: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Event {
    /// Writes the event as one JSON object. Its data stands in it byte for byte, but for white
    /// space around it.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] as [`validate`](Self::validate), so that whatever was encoded can be
    /// decoded.
    pub fn encode(&self) -> Result<Bytes, InvalidEvent> {
        self.validate_lengths()?;
        let (trace_id, span_id) = (self.trace_id.to_hex(), self.span_id.to_hex());
        let wire = Wire {
            specversion: SPECIFICATION.into(),
            id: (&*self.id).into(),
            source: (&*self.source).into(),
            kind: (&*self.kind).into(),
            subject: self.subject.as_deref().map(Cow::from),
            partitionkey: (&*self.partition_key).into(),
            time: self.time.to_string().into(),
            correlationid: text(&trace_id).into(),
            traceparent: ["00-", text(&trace_id), "-", text(&span_id), flags(self.is_sampled)]
                .concat()
                .into(),
            causationid: self.causation_id.as_deref().map(Cow::from),
            hgstep: self.step.as_str().into(),
            hgkey: self.key.as_deref().map(Cow::from),
            expirytime: self.expires_at.map(|expires_at| expires_at.to_string().into()),
            hgprio: self.priority.index(),
            hgowner: self.owner.as_deref().map(Cow::from),
            hgprobe: self.probe.as_deref().map(Cow::from),
            dataref: self.data_ref.as_deref().map(Cow::from),
            datacontenttype: JSON.into(),
            data: raw(&self.data)?,
        };
        let mut written = Vec::with_capacity(self.data.len() + ENVELOPE_BYTES);
        serde_json::to_writer(&mut written, &wire).map_err(|error| not_json(&error))?;
        Ok(written.into())
    }

    /// Reads what [`encode`](Self::encode) writes. Attributes that are not known are left out.
    ///
    /// # Errors
    ///
    /// [`DecodeEventError`]: it is no event, or not a valid one.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeEventError> {
        let wire: Wire<'_> = serde_json::from_slice(bytes)?;
        let refused = |attribute, value: &str| DecodeEventError::Attribute {
            attribute,
            value: value.to_owned(),
        };
        let time =
            |attribute, text: &str| text.parse::<UnixTime>().map_err(|_| refused(attribute, text));
        for (attribute, value, expected) in [
            ("specversion", &wire.specversion, SPECIFICATION),
            ("datacontenttype", &wire.datacontenttype, JSON),
        ] {
            if *value != expected {
                return Err(refused(attribute, value));
            }
        }
        let (trace_id, span_id, is_sampled) = parse_traceparent(&wire.traceparent)
            .filter(|(trace_id, ..)| wire.correlationid.parse() == Ok(*trace_id))
            .ok_or_else(|| refused("traceparent", &wire.traceparent))?;
        let event = Self {
            id: wire.id.into(),
            source: wire.source.into(),
            kind: wire.kind.into(),
            subject: wire.subject.map(Into::into),
            partition_key: wire.partitionkey.into(),
            time: time("time", &wire.time)?,
            trace_id,
            span_id,
            is_sampled,
            causation_id: wire.causationid.map(Into::into),
            step: wire.hgstep.parse::<Step>().map_err(|_| refused("hgstep", &wire.hgstep))?,
            key: wire.hgkey.map(Into::into),
            expires_at: wire.expirytime.map(|text| time("expirytime", &text)).transpose()?,
            priority: Class::ALL
                .get(wire.hgprio)
                .copied()
                .ok_or_else(|| refused("hgprio", &wire.hgprio.to_string()))?,
            owner: wire.hgowner.map(Into::into),
            probe: wire.hgprobe.map(Into::into),
            data_ref: wire.dataref.map(Into::into),
            data: bytes.slice_ref(wire.data.get().as_bytes()),
        };
        event.validate_lengths()?;
        Ok(event)
    }
}

/// Takes bytes that are one JSON value as they are, without building it.
pub(super) fn raw(data: &[u8]) -> Result<&RawValue, InvalidEvent> {
    serde_json::from_slice(data).map_err(|error| not_json(&error))
}

/// Hexadecimal digits as the text that they are.
fn text(digits: &[u8]) -> &str {
    str::from_utf8(digits).unwrap_or_default()
}

fn not_json(error: &serde_json::Error) -> InvalidEvent {
    InvalidEvent::DataNotJson { reason: error.to_string() }
}

/// The end of a `traceparent`.
pub(super) const fn flags(is_sampled: bool) -> &'static str {
    if is_sampled { "-01" } else { "-00" }
}

/// The two ids of a `traceparent` of version 00, and whether it is flagged as sampled.
pub(super) fn parse_traceparent(text: &str) -> Option<(TraceId, SpanId, bool)> {
    let (trace_id, rest) = text.strip_prefix("00-")?.split_once('-')?;
    let (span_id, flags) = rest.split_once('-')?;
    let is_sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 != 0);
    Some((trace_id.parse().ok()?, span_id.parse().ok()?, is_sampled))
}

#[cfg(test)]
mod tests;
