//! Bodies of refusals for load, which come in floods: all that is the same in each of a kind
//! stands ready, so that an answer is its own bytes and nothing that formats.

use bytes::{BufMut as _, Bytes, BytesMut};
use headgate_types::TraceId;

use crate::error::{Error, Wait};

/// Bytes of the longest of these bodies, about.
const BODY_BYTES: usize = 384;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// What stands before a trace ID.
macro_rules! head {
    ($code:literal, $title:literal, $status:literal, $outcome:literal) => {
        concat!(
            "{\"type\":\"urn:headgate:error:",
            $code,
            "\",\"title\":\"",
            $title,
            "\",\"status\":",
            $status,
            ",\"code\":\"",
            $code,
            "\",\"outcome\":\"",
            $outcome,
            "\",\"trace_id\":\""
        )
    };
}

const SHED_OVERLOAD: &str =
    head!("HG0030", "The edge is overloaded, and others go first", "503", "shed_overload");
const SHED_PRIORITY: &str =
    head!("HG0031", "The service is overloaded, and others go first", "503", "shed_priority");
const LIMITED_CONCURRENCY: &str = head!(
    "HG0032",
    "Too many requests are in flight to this service",
    "503",
    "limited_concurrency"
);
const BREAKER_OPEN: &str =
    head!("HG0033", "The service fails too often to be tried", "503", "breaker_open");
const LIMITED_RATE: &str =
    head!("HG0034", "Too many requests in too little time", "429", "limited_rate");

/// The body of a refusal for load, as an RFC 9457 problem. None for any other error.
pub(super) fn body(error: Error, trace: TraceId) -> Option<Bytes> {
    let (head, wait) = match error {
        Error::ShedOverload(wait) => (SHED_OVERLOAD, wait),
        Error::ShedPriority(wait) => (SHED_PRIORITY, wait),
        Error::LimitedConcurrency(wait) => (LIMITED_CONCURRENCY, wait),
        Error::BreakerOpen(wait) => (BREAKER_OPEN, wait),
        Error::LimitedRate(wait) => (LIMITED_RATE, wait),
        _ => return None,
    };
    let Wait { after, retries_max } = wait;
    let mut body = BytesMut::with_capacity(BODY_BYTES);
    body.put_slice(head.as_bytes());
    for byte in trace.as_bytes() {
        let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
        body.put_u8(digit(byte >> 4));
        body.put_u8(digit(byte & 15));
    }
    body.put_slice(b"\",\"retryable\":true,\"retry_after_ms\":");
    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    body.put_slice(itoa::Buffer::new().format(millis).as_bytes());
    body.put_slice(b",\"retries_max\":");
    body.put_slice(itoa::Buffer::new().format(retries_max).as_bytes());
    body.put_u8(b'}');
    Some(body.freeze())
}

#[cfg(test)]
mod tests;
