//! The trace of an exchange, in and out, as W3C Trace Context level 2 writes it.

use std::{
    cell::RefCell,
    hash::{BuildHasher as _, RandomState},
};

use headgate_types::{SpanId, TraceId};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the trace and the caller's span.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header that carries what tracing systems add.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The flag that says that the caller may have recorded the trace.
pub const SAMPLED: u8 = 1;
/// The flag that says that the trace id's last seven bytes are random.
pub const RANDOM_TRACE_ID: u8 = 2;

/// Bytes of `tracestate` that are passed on, all its headers together; more is dropped whole.
/// Level 2, section 3.3.1.5, asks for at least this.
pub const TRACESTATE_BYTES_MAX: usize = 512;
/// Members of `tracestate` that are passed on; more is dropped whole. Level 2, section 3.3.1.1.
pub const TRACESTATE_MEMBERS_MAX: usize = 32;

const KNOWN_FLAGS: u8 = SAMPLED | RANDOM_TRACE_ID;
/// `00-`, trace id, `-`, span id, `-`, flags.
const TRACEPARENT_BYTES: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;

/// Whether a peer's trace is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It is.
    Trusted,
    /// It is kept as an attribute, and a trace of our own begins.
    Untrusted,
}

/// What a caller's `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The series.
    pub trace_id: TraceId,
    /// The caller's span.
    pub span_id: SpanId,
    /// Flags as they came; only [`SAMPLED`] and [`RANDOM_TRACE_ID`] have a meaning.
    pub flags: u8,
}

/// The trace of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The series.
    pub trace_id: TraceId,
    /// This exchange; the parent of what the BFF does.
    pub span_id: SpanId,
    /// The span of the trusted peer that called. None where the series begins here.
    pub parent_id: Option<SpanId>,
    /// Flags to hand on.
    pub flags: u8,
}

/// What an exchange begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The exchange's own trace.
    pub context: TraceContext,
    /// The trusted peer's `tracestate`, unchanged, to hand on. None also when it is above
    /// [`TRACESTATE_BYTES_MAX`] or [`TRACESTATE_MEMBERS_MAX`].
    pub state: Option<HeaderValue>,
    /// What an untrusted peer's `traceparent` said: an attribute to record, nothing to hand on.
    pub untrusted: Option<TraceParent>,
}

impl TraceContext {
    /// Whether a collector gets the trace, as far as it is this process's to send.
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The `traceparent` to hand on, version 00.
    pub fn to_traceparent(&self) -> HeaderValue {
        format_traceparent(self.trace_id, self.span_id, self.flags)
    }
}

impl TraceParent {
    /// Writes it again, as version 00.
    pub fn to_header(&self) -> HeaderValue {
        format_traceparent(self.trace_id, self.span_id, self.flags)
    }
}

/// Begins an exchange's trace: the trusted peer's series goes on, otherwise a random one begins.
///
/// Two `traceparent` headers count as none. A series that begins here is flagged as sampled,
/// since the edge records every exchange.
pub fn accept(peer: Peer, headers: &HeaderMap) -> Incoming {
    RANDOM.with_borrow_mut(|random| accept_with(peer, headers, random))
}

/// Does what [`accept`] does, with ids from the given generator.
pub fn accept_with(peer: Peer, headers: &HeaderMap, random: &mut fastrand::Rng) -> Incoming {
    let parent = only(headers, &TRACEPARENT).and_then(|value| parse_traceparent(value.as_bytes()));
    let span_id = span_id(random);
    match (peer, parent) {
        (Peer::Trusted, Some(parent)) => Incoming {
            context: TraceContext {
                trace_id: parent.trace_id,
                span_id,
                parent_id: Some(parent.span_id),
                flags: parent.flags & KNOWN_FLAGS,
            },
            state: tracestate(headers),
            untrusted: None,
        },
        (_, untrusted) => Incoming {
            context: TraceContext {
                trace_id: trace_id(random),
                span_id,
                parent_id: None,
                flags: SAMPLED | RANDOM_TRACE_ID,
            },
            state: None,
            untrusted,
        },
    }
}

/// Reads a `traceparent` strictly, or none (level 2, section 3.2).
///
/// Version 00 has exactly its four fields. A later version is read by those four, whatever
/// follows a further `-`; version `ff` is forbidden, and so are uppercase digits and zero ids.
pub fn parse_traceparent(value: &[u8]) -> Option<TraceParent> {
    let (fields, rest) = value.split_at_checked(TRACEPARENT_BYTES)?;
    let mut fields = fields.split(|byte| *byte == b'-');
    let version = hex_byte(fields.next()?)?;
    let trace_id = TraceId::from_hex(fields.next()?).ok()?;
    let span_id = SpanId::from_hex(fields.next()?).ok()?;
    let flags = hex_byte(fields.next()?)?;
    let is_ended = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    (is_ended && fields.next().is_none()).then_some(TraceParent { trace_id, span_id, flags })
}

/// Writes a `traceparent`, version 00. Flags without a meaning are cleared, as level 2 demands.
pub fn format_traceparent(trace_id: TraceId, span_id: SpanId, flags: u8) -> HeaderValue {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    let (trace_id, span_id) = (trace_id.to_hex(), span_id.to_hex());
    let flags = [b'0' + (flags & KNOWN_FLAGS)];
    for (at, digits) in [(3, &trace_id[..]), (36, &span_id[..]), (54, &flags[..])] {
        if let Some(place) = text.get_mut(at..at + digits.len()) {
            place.copy_from_slice(digits);
        }
    }
    ascii(&text)
}

/// Writes a trace id as a header value: 32 lowercase hexadecimal digits.
pub fn format_trace_id(trace_id: TraceId) -> HeaderValue {
    ascii(&trace_id.to_hex())
}

fn ascii(text: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let &[high, low] = digits else { return None };
    let nibble = |digit| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    Some(nibble(high)? << 4 | nibble(low)?)
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// Several headers are one list (level 2, section 3.3.1), which empty members may be part of.
fn tracestate(headers: &HeaderMap) -> Option<HeaderValue> {
    let values = || headers.get_all(&TRACESTATE).iter();
    let commas = values().count().checked_sub(1)?;
    let bytes = values().map(HeaderValue::len).sum::<usize>() + commas;
    let members = values().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if bytes > TRACESTATE_BYTES_MAX || members.count() > TRACESTATE_MEMBERS_MAX {
        return None;
    }
    match only(headers, &TRACESTATE) {
        Some(value) => Some(value.clone()),
        None => HeaderValue::from_bytes(
            &values().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b','),
        )
        .ok(),
    }
}

thread_local! {
    /// Seeded from the operating system: `fastrand`'s own seed is the uptime and the thread's
    /// number, which two edges may share.
    static RANDOM: RefCell<fastrand::Rng> =
        RefCell::new(fastrand::Rng::with_seed(RandomState::new().hash_one(0)));
}

fn trace_id(random: &mut fastrand::Rng) -> TraceId {
    loop {
        if let Some(id) = TraceId::from_bytes(random.u128(..).to_be_bytes()) {
            return id;
        }
    }
}

fn span_id(random: &mut fastrand::Rng) -> SpanId {
    loop {
        if let Some(id) = SpanId::from_bytes(random.u64(..).to_be_bytes()) {
            return id;
        }
    }
}

#[cfg(test)]
mod tests;
