//! Keys of HTTP requests, and the answers that are kept under them.
//!
//! The header is `idempotency-key` of draft-ietf-httpapi-idempotency-key-header-07. Nothing here
//! does I/O: whoever serves requests claims the [`record_key`], and commits an [`Answer`].

use std::time::Duration;

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        AGE, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, SET_COOKIE, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

use crate::{
    base32,
    fingerprint::Fingerprint,
    key::{KeyError, RecordKey, SCOPE_BYTES_MAX, Scope},
};

mod answer;

pub use crate::http::answer::{Answer, HEAD_BYTES_MAX, Unreadable};

/// The header with the key.
pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Characters of a key at most, as at Stripe.
pub const KEY_CHARS_MAX: usize = 255;

/// The header with the client's wish to wait (RFC 7240, 4.3).
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Digits of a wish to wait; more would be years.
const WAIT_DIGITS_MAX: usize = 6;

/// Headers that belong to one message or one moment, or that are secret, and are not kept.
const NOT_KEPT: [HeaderName; 10] = [
    AGE,
    CONNECTION,
    CONTENT_LENGTH,
    DATE,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("server-timing"),
];

/// A client's name for one thing that it wants done: 1 to [`KEY_CHARS_MAX`] characters of ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(Vec<u8>);

/// Why an `idempotency-key` can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// The header comes more than once.
    #[error("it comes more than once")]
    Several,
    /// The key has no characters.
    #[error("it is empty")]
    Empty,
    /// The key is too long.
    #[error("it has more than 255 characters")]
    TooLong,
    /// The value is neither a string in double quotes nor a plain word.
    #[error("it is neither a string in double quotes nor a word without spaces, commas and quotes")]
    Malformed,
}

impl KeyFault {
    /// What is wrong, for whoever may only pass on a constant.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Several => "idempotency-key comes more than once",
            Self::Empty => "idempotency-key is empty",
            Self::TooLong => "idempotency-key has more than 255 characters",
            Self::Malformed => {
                "idempotency-key is neither a string in double quotes nor a word without spaces, \
                 commas and quotes"
            }
        }
    }
}

impl Key {
    /// Reads a header's value: a String of Structured Fields (RFC 9651, 3.3.3), as the draft wants
    /// it, or a word without quotes, as Stripe's clients send it. Both spellings of the same
    /// characters are the same key. Parameters are not taken: the draft has none.
    ///
    /// # Errors
    ///
    /// [`KeyFault`].
    pub fn parse(value: &[u8]) -> Result<Self, KeyFault> {
        let value = value.trim_ascii();
        let key = match value.strip_prefix(b"\"") {
            Some(quoted) => unquoted(quoted)?,
            None if value.iter().copied().all(is_word) => value.to_vec(),
            None => return Err(KeyFault::Malformed),
        };
        match key.len() {
            0 => Err(KeyFault::Empty),
            1..=KEY_CHARS_MAX => Ok(Self(key)),
            _ => Err(KeyFault::TooLong),
        }
    }

    /// The key of a request; none when it has no such header.
    ///
    /// # Errors
    ///
    /// [`KeyFault`].
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, KeyFault> {
        let mut values = headers.get_all(HEADER).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => Self::parse(value.as_bytes()).map(Some),
            (Some(_), Some(_)) => Err(KeyFault::Several),
        }
    }

    /// Its characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Visible, and nothing that a list, a parameter or a string is made of.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"\\,;".contains(&byte)
}

/// Reads a String from behind its first quote to its last.
fn unquoted(rest: &[u8]) -> Result<Vec<u8>, KeyFault> {
    let mut key = Vec::with_capacity(rest.len());
    let mut bytes = rest.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if bytes.next().is_none() => return Ok(key),
            b'\\' => match bytes.next() {
                Some(escaped @ (b'"' | b'\\')) => key.push(escaped),
                _ => return Err(KeyFault::Malformed),
            },
            b' ' | b'!' | 0x23..=0x7e => key.push(byte),
            _ => return Err(KeyFault::Malformed),
        }
    }
    Err(KeyFault::Malformed)
}

/// Who sends a key: another caller's key of the same characters is another key.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The identity source that vouches.
    pub source: &'a str,
    /// The subject there.
    pub subject: &'a str,
}

/// The scope of a route's keys. Routes have different ones, however long their names are.
///
/// # Errors
///
/// [`KeyError::Scope`] for names that are no names of the configuration.
pub fn scope(team: &str, route: &str) -> Result<Scope, KeyError> {
    let name = format!("http/{team}/{route}");
    if name.len() <= SCOPE_BYTES_MAX {
        return Scope::new(&name);
    }
    // No route's name has a dot.
    let hash = blake3::hash(name.as_bytes());
    Scope::new(&format!("http/.{}", base32::encode(hash.as_bytes())))
}

/// Names the record of a caller's key on a route. Without a caller everybody has the same keys.
///
/// Of the subject only a hash is kept.
///
/// # Errors
///
/// [`KeyError::TooLong`] for a source whose name is none of the configuration's.
pub fn record_key(
    scope: &Scope,
    caller: Option<Caller<'_>>,
    key: &Key,
) -> Result<RecordKey, KeyError> {
    let mut raw = Vec::with_capacity(key.0.len() + 128);
    if let Some(Caller { source, subject }) = caller {
        raw.extend_from_slice(source.as_bytes());
        raw.push(b'/');
        let hash = blake3::hash(subject.as_bytes());
        raw.extend_from_slice(base32::encode(hash.as_bytes()).as_bytes());
    }
    // Neither a source's name nor a hash has one, so no two callers share a raw key.
    raw.push(b':');
    raw.extend_from_slice(&key.0);
    RecordKey::new(scope, raw)
}

/// What makes two requests the same: method, path with query, and body. A JSON body counts by
/// what it says and not by how it is written.
pub fn fingerprint(method: &Method, target: &str, headers: &HeaderMap, body: &[u8]) -> Fingerprint {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let body = if is_json(kind) { Fingerprint::of_json(body) } else { Fingerprint::of_bytes(body) };
    body.with(method.as_str().as_bytes()).with(target.as_bytes())
}

/// `application/json` and everything `+json`.
fn is_json(kind: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(b"application/json")
        || kind.len() >= 5 && kind.get(kind.len() - 5..).is_some_and(is_suffix)
}

fn is_suffix(end: &[u8]) -> bool {
    end.eq_ignore_ascii_case(b"+json")
}

/// How long the client wants to wait for the request with its key that is still being served:
/// `prefer: wait=SECONDS`. None: it does not say, or not in seconds.
pub fn wish_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let wait = values.flat_map(|value| value.split(',')).find_map(|preference| {
        let preference = preference.split(';').next()?;
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim())
    })?;
    let is_number = wait.len() <= WAIT_DIGITS_MAX && wait.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| wait.parse().ok().map(Duration::from_secs))?
}

/// The headers of an answer that are repeated with it: all but those that belong to one message
/// (framing, `date`, `age`, `server-timing`), and `set-cookie`, which is a secret.
pub fn kept_headers(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| !NOT_KEPT.contains(name));
    let mut all = HeaderMap::with_capacity(headers.len());
    for (name, value) in kept {
        all.append(name, value.clone());
    }
    all
}

#[cfg(test)]
mod tests;
