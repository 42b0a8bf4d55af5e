//! Headers between two framed sides: what ends at this hop, what is ours alone.

use std::cell::RefCell;

use headgate_telemetry::trace::TRACESTATE;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, TE,
        TRANSFER_ENCODING, UPGRADE,
    },
};

/// The prefix of headers that only the edge may set.
pub(crate) const OURS: &str = "headgate-";
/// The trace id, on every answer.
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("headgate-trace-id");
/// The signed identity, to a BFF.
pub(crate) const PASSPORT: HeaderName = HeaderName::from_static("headgate-passport");
/// The device class, to a BFF.
pub(crate) const DEVICE: HeaderName = HeaderName::from_static("headgate-device");
/// Where the client is, to a BFF.
pub(crate) const GEO: HeaderName = HeaderName::from_static("headgate-geo");
/// The priority class: a client may lower it, a BFF reads it.
pub(crate) const PRIORITY: HeaderName = HeaderName::from_static("headgate-priority");
/// Milliseconds left: a client may shorten them, a BFF reads them.
pub(crate) const DEADLINE: HeaderName = HeaderName::from_static("headgate-deadline-ms");
/// The time that a gRPC client will wait, both ways.
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// The number of this attempt, from 1, to a BFF.
pub(crate) const ATTEMPT: HeaderName = HeaderName::from_static("headgate-attempt");
/// The arm of a split route that the request drew, to a BFF.
pub(crate) const ARM: HeaderName = HeaderName::from_static("headgate-arm");
/// On an answer that came from elsewhere than the route's own upstream.
pub(crate) const DEGRADED: HeaderName = HeaderName::from_static("headgate-degraded");
/// The probe that a request is: of its secret from the edge to itself, of its name to a BFF.
pub(crate) const PROBE: HeaderName = HeaderName::from_static("headgate-probe");
/// On a copy of a request, to the mirror.
pub(crate) const MIRROR: HeaderName = HeaderName::from_static("headgate-mirror");
/// The client's address, to a BFF.
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The client's scheme, to a BFF.
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The client's half of a `WebSocket`'s handshake.
pub(crate) const WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
/// The endpoint's half.
pub(crate) const WEBSOCKET_ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Names that a `connection` header can't take away: without them the message would change its
/// target or its framing on the way.
const NEVER_NOMINATED: [HeaderName; 3] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];

/// Headers nominated by one message's `connection`; more are an abuse.
const NOMINATED_MAX: usize = 32;

/// What a `connection` header says beyond the headers that it nominates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hop {
    /// `connection: upgrade` with `upgrade: websocket`.
    pub(crate) upgrades_to_websocket: bool,
}

/// Removes what ends at this hop (RFC 9110, 7.6.1): the connection headers and what they nominate.
///
/// `te: trailers` stays, because it speaks of the exchange and gRPC needs it. Of upgrades only
/// WebSocket is reported; the rest are dropped, which RFC 9110, 7.8 allows and which shuts out
/// smuggling by an upgrade to h2c.
///
/// # Errors
///
/// A sentence when `connection` nominates a header that frames or targets the message.
pub(crate) fn strip_hop(headers: &mut HeaderMap) -> Result<Hop, &'static str> {
    let mut hop = Hop::default();
    // Most messages have none, and one look at each name costs less than a dozen removals.
    if !headers.keys().any(ends_here) {
        return Ok(hop);
    }
    if headers.contains_key(CONNECTION) {
        let nominated = nominated(headers)?;
        let upgrade = headers.get(UPGRADE).map(HeaderValue::as_bytes);
        hop.upgrades_to_websocket = nominated.contains(&UPGRADE)
            && upgrade.is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"));
        for name in nominated {
            if name != TE {
                headers.remove(name);
            }
        }
        headers.remove(CONNECTION);
    }
    if headers.remove(TRANSFER_ENCODING).is_some() {
        // It overrides a length, which would cut the body off on the next hop (RFC 9112, 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHORIZATION, UPGRADE] {
        headers.remove(name);
    }
    let mut trailers = false;
    for value in headers.get_all(TE) {
        trailers |= value.as_bytes().eq_ignore_ascii_case(b"trailers");
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(TE);
    }
    Ok(hop)
}

fn ends_here(name: &HeaderName) -> bool {
    [CONNECTION, TRANSFER_ENCODING, UPGRADE, TE, KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHORIZATION]
        .contains(name)
}

fn nominated(headers: &HeaderMap) -> Result<Vec<HeaderName>, &'static str> {
    let mut names = Vec::new();
    for value in headers.get_all(CONNECTION) {
        for token in value.as_bytes().split(|byte| *byte == b',') {
            let token = token.trim_ascii();
            if token.is_empty() {
                continue;
            }
            let name = HeaderName::from_bytes(token).map_err(|_| "connection names no header")?;
            if NEVER_NOMINATED.contains(&name) {
                return Err("connection names a header that frames the message");
            }
            if names.len() == NOMINATED_MAX {
                return Err("connection names too many headers");
            }
            names.push(name);
        }
    }
    Ok(names)
}

/// Removes every header that only the edge may set.
pub(crate) fn strip_ours(headers: &mut HeaderMap) {
    strip(headers, is_ours);
}

/// Removes what an endpoint is not to have from a client: what only the edge may set, what the
/// edge answers itself, and half of a trace that is not taken over.
pub(crate) fn strip_for_endpoint(headers: &mut HeaderMap) {
    strip(headers, |name| is_ours(name) || *name == EXPECT || *name == TRACESTATE);
}

/// One look at each name, since most messages have nothing to remove.
fn strip(headers: &mut HeaderMap, goes: impl Fn(&HeaderName) -> bool) {
    while let Some(name) = headers.keys().find(|name| goes(name)).cloned() {
        headers.remove(name);
    }
}

/// Some frameworks read `_` in a header's name as `-`.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with(OURS) || name.starts_with("headgate_")
}

/// The number of an attempt, which is 1 for nearly all.
pub(crate) fn attempt_value(number: u32) -> HeaderValue {
    if number == 1 { HeaderValue::from_static("1") } else { HeaderValue::from(number) }
}

/// A time that is left. The first attempts of a route nearly all have the same, which is therefore
/// kept from one to the next.
pub(crate) fn millis_value(millis: u64) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<(u64, HeaderValue)> = const {
            RefCell::new((0, HeaderValue::from_static("0")))
        };
    }
    LAST.with_borrow_mut(|(known, value)| {
        if *known != millis {
            (*known, *value) = (millis, HeaderValue::from(millis));
        }
        value.clone()
    })
}

/// How a caller speaks gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grpc {
    /// As gRPC over HTTP/2 has it.
    Plain,
    /// As browsers can, by gRPC-Web.
    Web,
}

/// How a message is gRPC's. None: it is none of it.
pub(crate) fn grpc(headers: &HeaderMap) -> Option<Grpc> {
    let kind = headers.get(CONTENT_TYPE)?.as_bytes().strip_prefix(b"application/grpc")?;
    Some(if kind.starts_with(b"-web") { Grpc::Web } else { Grpc::Plain })
}

/// Joins the cookie crumbs that HTTP/2 allows into the one header that HTTP/1.1 demands
/// (RFC 9113, 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let all: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // Values that were valid apart stay valid when joined.
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests;
