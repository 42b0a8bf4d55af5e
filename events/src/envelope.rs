//! The envelope on the wire: the binary mode of CloudEvents 1.0.2 for Kafka and for HTTP.
//!
//! Attributes become headers, and the body is the data alone, so that an ordinary CloudEvents
//! consumer reads what we write. Reading also takes the structured mode, which is one JSON object.

use std::{borrow::Cow, fmt::Write as _};

use bytes::Bytes;
use headgate_types::{DecodeEventError, Event};
use http::HeaderMap;

/// Before an attribute's name, in Kafka.
const KAFKA: &str = "ce_";
/// Before an attribute's name, in HTTP.
const HTTP: &str = "ce-";
/// What stands for `datacontenttype`.
const CONTENT_TYPE: &str = "content-type";
const JSON: &str = "application/json";
/// The media type of an event that is one JSON object.
pub const STRUCTURED: &str = "application/cloudevents+json";

/// A header's name and value.
pub type Header = (Cow<'static, str>, String);

/// The headers of an event in Kafka's binary mode. The value is the data.
pub fn kafka_headers(event: &Event) -> Vec<Header> {
    headers(event, KAFKA, &|value: Cow<'_, str>| value.into_owned())
}

/// The headers of an event in HTTP's binary mode. The body is the data. What a header can't hold
/// is percent-encoded (HTTP Protocol Binding, 3.1.3.2).
pub fn http_headers(event: &Event) -> Vec<Header> {
    headers(event, HTTP, &|value: Cow<'_, str>| percent_encode(&value))
}

/// Reads an event from a Kafka record: in binary mode where it has a `ce_specversion`, as one JSON
/// object otherwise.
///
/// # Errors
///
/// [`DecodeEventError`]: it is no event, or not a valid one.
#[expect(clippy::needless_pass_by_value, reason = "an iterator that is cloned for each look")]
pub fn from_kafka<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    value: &Bytes,
) -> Result<Event, DecodeEventError> {
    let header = |name: &str| {
        let (_, value) = headers.clone().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(value))
    };
    if header("ce_specversion").is_none() {
        return Event::decode(value);
    }
    read(KAFKA, header, value)
}

/// Reads an event from an HTTP message: in binary mode where it has a `ce-specversion`, as one JSON
/// object otherwise.
///
/// # Errors
///
/// [`DecodeEventError`]: it is no event, or not a valid one.
pub fn from_http(headers: &HeaderMap, body: &Bytes) -> Result<Event, DecodeEventError> {
    if !headers.contains_key("ce-specversion") {
        return Event::decode(body);
    }
    let header = |name: &str| {
        let value = String::from_utf8_lossy(headers.get(name)?.as_bytes());
        Some(if name == CONTENT_TYPE { value } else { percent_decode(&value).into() })
    };
    read(HTTP, header, body)
}

fn headers(event: &Event, prefix: &str, encode: &dyn Fn(Cow<'_, str>) -> String) -> Vec<Header> {
    let attributes = event.attributes().into_iter();
    let written = attributes.map(|(name, value)| ([prefix, name].concat().into(), encode(value)));
    written.chain([(CONTENT_TYPE.into(), JSON.to_owned())]).collect()
}

fn read<'a>(
    prefix: &str,
    header: impl Fn(&str) -> Option<Cow<'a, str>>,
    data: &Bytes,
) -> Result<Event, DecodeEventError> {
    let attribute = |name: &'static str| match name {
        "datacontenttype" => header(CONTENT_TYPE),
        name => header(&[prefix, name].concat()),
    };
    Event::from_attributes(attribute, data.clone())
}

/// Encodes space, `"`, `%` and everything outside of visible ASCII.
fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut written, byte| {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'%') {
            written.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            write!(written, "%{byte:02X}").unwrap_or_default();
        }
        written
    })
}

/// Decodes what is percent-encoded, and leaves a lone `%` as it is.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *first == b'%');
        let code = hex.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = code.and_then(|_| after.get(2..)).unwrap_or(after);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
