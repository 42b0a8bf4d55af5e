//! One span, and its place in the bytes of a request.

use std::{borrow::Cow, time::Duration};

use headgate_types::{SpanId, TraceId, UnixTime};

use super::wire::Message;

/// The field of `ScopeSpans` that holds a span.
pub(super) const FIELD: u32 = 2;
/// Bytes of any one text in a span; what is longer is cut.
const TEXT_BYTES_MAX: usize = 1_024;
/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;

/// What took a time, and where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Span<'a> {
    /// The series.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// What it is a part of. None: nothing.
    pub parent_id: Option<SpanId>,
    /// What it is.
    pub name: Cow<'a, str>,
    /// On which side of a call it stands.
    pub kind: Kind,
    /// When it began.
    pub began: UnixTime,
    /// How long it took.
    pub took: Duration,
    /// What there is to say of it.
    pub attributes: Vec<(&'static str, Value<'a>)>,
    /// Moments within, since its begin.
    pub events: Vec<(&'static str, Duration)>,
    /// Why it failed. None: it did not, or not by its own fault.
    pub error: Option<Cow<'a, str>>,
}

/// On which side of a call a span stands; the numbers are the format's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On none: a part of something else.
    Internal = 1,
    /// It was called.
    Server = 2,
    /// It calls, and waits for an answer.
    Client = 3,
    /// It appends an event.
    Producer = 4,
    /// It handles an event.
    Consumer = 5,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number.
    Number(u64),
}

impl<'a> Value<'a> {
    /// A text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }
}

impl Span<'_> {
    pub(super) fn write(&self, message: &mut Message) {
        message.bytes(1, self.trace_id.as_bytes());
        message.bytes(2, self.span_id.as_bytes());
        if let Some(parent) = self.parent_id {
            message.bytes(4, parent.as_bytes());
        }
        message.text(5, cut(&self.name));
        message.integer(6, self.kind as u64);
        message.fixed64(7, nanos(self.began));
        message.fixed64(8, nanos(self.began + self.took));
        attributes(message, 9, &self.attributes);
        for (name, since) in &self.events {
            message.message(11, |event| {
                event.fixed64(1, nanos(self.began + *since));
                event.text(2, name);
            });
        }
        if let Some(error) = &self.error {
            message.message(15, |status| {
                status.text(2, cut(error));
                status.integer(3, ERROR);
            });
        }
        message.fixed32(16, u32::from(crate::trace::SAMPLED));
    }
}

/// Writes attributes as `KeyValue`s of a field.
pub(super) fn attributes(
    message: &mut Message,
    field: u32,
    attributes: &[(&'static str, Value<'_>)],
) {
    for (name, value) in attributes {
        message.message(field, |pair| {
            pair.text(1, name);
            pair.message(2, |any| match value {
                Value::Text(text) => any.text(1, cut(text)),
                Value::Number(number) => any.member(3, (*number).min(i64::MAX.unsigned_abs())),
            });
        });
    }
}

/// The id of a span that follows from another one: the same for the same part of the same whole, so
/// that nobody has to carry it from where it begins to where it is told.
pub fn span_id(whole: SpanId, part: u64) -> SpanId {
    // SplitMix64 (Steele, Lea, Flood 2014), whose steps differ for different numbers.
    let mut mixed = u64::from_be_bytes(*whole.as_bytes())
        .wrapping_add(part.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    SpanId::from_bytes(mixed.to_be_bytes()).unwrap_or(whole)
}

fn nanos(time: UnixTime) -> u64 {
    u64::try_from(time.as_duration().as_nanos()).unwrap_or(u64::MAX)
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default()
}
