//! What the request asks for: host and path that agree with each other and mean one thing.

use std::borrow::Cow;

use bytes::Bytes;
use headgate_router::path;
use http::{
    HeaderValue, Method, Version,
    header::HOST,
    request::Parts,
    uri::{Authority, PathAndQuery},
};
use hyper::ext::Protocol;

use crate::{error::Error, headers::Hop};

/// A request's target, as routes match it.
#[derive(Debug)]
pub(crate) struct Target {
    /// The authority as the client wrote it; what the endpoint gets as host. None for an
    /// HTTP/1.0 client that names none.
    pub(crate) authority: Option<HeaderValue>,
    /// The host, lowercase and without its port; empty when there is none.
    pub(crate) host: String,
    /// The path, normalized, and the query: what routes match and what the endpoint gets, so that
    /// no endpoint reads a path which no route has seen.
    pub(crate) path_and_query: PathAndQuery,
    /// Whether the client wants to speak WebSocket.
    pub(crate) is_websocket: bool,
}

impl Target {
    /// The path that routes match.
    pub(crate) fn path(&self) -> &str {
        self.path_and_query.path()
    }

    /// The query without its question mark.
    pub(crate) fn query(&self) -> Option<&str> {
        self.path_and_query.query()
    }
}

/// Turns the CONNECT of a `WebSocket` on a stream of HTTP/2 into the GET that HTTP/1.1 would have
/// seen (RFC 8441, 5): routes need not know by which version a client comes.
pub(crate) fn unify(parts: &mut Parts, mut hop: Hop) -> Hop {
    let protocol = parts.extensions.get::<Protocol>();
    if parts.method == Method::CONNECT && protocol.is_some_and(|it| it.as_str() == "websocket") {
        parts.method = Method::GET;
        hop.upgrades_to_websocket = true;
    }
    hop
}

/// Reads the target.
///
/// An absolute-form target or `:authority` and a `host` header must name the same (RFC 9112, 3.2
/// lets a proxy ignore `host`; two readers could then see two hosts, so a difference is refused).
///
/// # Errors
///
/// [`Error::BadRequest`] for CONNECT of anything but a `WebSocket`, a target without a path, no or several hosts, and a path
/// that different readers would read differently.
pub(crate) fn read(parts: &Parts, hop: Hop) -> Result<Target, Error> {
    if parts.method == Method::CONNECT {
        return Err(Error::BadRequest("CONNECT is not served"));
    }
    let (authority, host) = authority(parts)?;
    let path_and_query = parts.uri.path_and_query().cloned();
    let path_and_query = path_and_query.ok_or(Error::BadRequest("target without a path"))?;
    if !path_and_query.path().starts_with('/') {
        return Err(Error::BadRequest("target is no path"));
    }
    let path_and_query = normalized(path_and_query)?;
    let is_websocket = hop.upgrades_to_websocket && parts.method == Method::GET;
    Ok(Target { authority, host, path_and_query, is_websocket })
}

/// The authority that the endpoint gets, and the host in it that routes match.
fn authority(parts: &Parts) -> Result<(Option<HeaderValue>, String), Error> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let value = hosts.next();
    if hosts.next().is_some() {
        return Err(Error::BadRequest("several host headers"));
    }
    if let (None, Some(host)) = (parts.uri.authority(), value.and_then(plain_host)) {
        return Ok((value.cloned(), host.to_owned()));
    }
    let header = value.map(authority_of).transpose()?;
    let authority = match (parts.uri.authority().cloned(), header) {
        (Some(target), Some(header)) if !target.as_str().eq_ignore_ascii_case(header.as_str()) => {
            return Err(Error::BadRequest("host differs from the target's authority"));
        }
        (target, header) => target.or(header),
    };
    if authority.is_none() && parts.version >= Version::HTTP_11 {
        return Err(Error::BadRequest("no host"));
    }
    if authority.as_ref().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Error::BadRequest("user information in the host"));
    }
    let host = authority.as_ref().map(|one| one.host().to_ascii_lowercase()).unwrap_or_default();
    let written = value.cloned().or_else(|| value_of(authority.as_ref()?));
    Ok((written, host))
}

/// The host in a header that is a lowercase name or IPv4 address, perhaps with a port: what nearly
/// every client sends, and what no parser reads otherwise.
fn plain_host(header: &HeaderValue) -> Option<&str> {
    let text = header.to_str().ok()?;
    let (host, port) = text.split_once(':').unwrap_or((text, ""));
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let is_port = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (!host.is_empty() && host.bytes().all(is_plain) && is_port).then_some(host)
}

/// The same target with the one spelling that all readers agree on.
fn normalized(target: PathAndQuery) -> Result<PathAndQuery, Error> {
    let path = path::normalize(target.path()).map_err(|fault| Error::BadRequest(fault.as_str()))?;
    let Cow::Owned(mut normal) = path else { return Ok(target) };
    if let Some(query) = target.query() {
        normal.push('?');
        normal.push_str(query);
    }
    PathAndQuery::from_maybe_shared(Bytes::from(normal))
        .map_err(|_| Error::BadRequest("malformed path"))
}

fn authority_of(host: &HeaderValue) -> Result<Authority, Error> {
    Authority::try_from(host.as_bytes()).map_err(|_| Error::BadRequest("malformed host"))
}

fn value_of(authority: &Authority) -> Option<HeaderValue> {
    HeaderValue::from_str(authority.as_str()).ok()
}

#[cfg(test)]
mod tests;
