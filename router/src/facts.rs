//! What a decision reads of a request.

use headgate_types::Version;
use http::{HeaderMap, HeaderValue, Method, header::COOKIE};
use serde_json::{Map, Value};

/// What a decision reads of a request; borrowed, so that making one costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host in lowercase and without its port; empty when the client named none.
    pub host: &'a str,
    /// The path as [`crate::path::normalize`] returned it.
    pub path: &'a str,
    /// The query without its question mark, as sent.
    pub query: Option<&'a str>,
    /// The headers as the client sent them.
    pub headers: &'a HeaderMap,
    /// The verified claims of the caller. None before authentication and for anonymous callers.
    pub claims: Option<&'a Map<String, Value>>,
    /// The device class. Whatever it is, a [`crate::device::Classifier`] does not read it.
    pub device: &'a str,
    /// The version of the device's app, as the rule that told the class found it.
    pub version: Option<Version>,
}

impl<'a> Facts<'a> {
    /// The value of the first cookie of that name, without the quotes that may surround it.
    pub fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        let headers = self.headers.get_all(COOKIE).iter();
        headers
            .map(HeaderValue::as_bytes)
            .flat_map(|line| line.split(|byte| *byte == b';'))
            .find_map(|pair| {
                let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
                let inside = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
                Some(inside.unwrap_or(value))
            })
    }

    /// A claim of the caller.
    pub(crate) fn claim(&self, name: &str) -> Option<&'a Value> {
        self.claims?.get(name)
    }

    /// The value of the first query parameter of that name, still escaped. A parameter without an
    /// equals sign has the empty value.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        self.query?.split('&').find_map(|pair| {
            let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
            (!pair.is_empty() && is_spelling_of(found, name)).then_some(value)
        })
    }
}

/// Whether escaped text means this text: `%XX` is a byte, `+` a space, as forms are sent (WHATWG
/// URL, 5.1). A percent sign without two digits is itself.
pub(crate) fn is_spelling_of(escaped: &str, text: &str) -> bool {
    decoded(escaped).eq(text.bytes())
}

/// The bytes that escaped text means.
pub fn decoded(escaped: &str) -> impl Iterator<Item = u8> {
    let mut rest = escaped.as_bytes();
    std::iter::from_fn(move || {
        let (byte, after) = match rest {
            [b'%', high, low, after @ ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', rest.get(1..)?),
            },
            [b'+', after @ ..] => (b' ', after),
            [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        rest = after;
        Some(byte)
    })
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests;
