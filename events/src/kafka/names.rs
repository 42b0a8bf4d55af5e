//! Names of topics as Kafka takes them.
//!
//! Kafka takes letters, digits, `.`, `_` and `-`, and the dead letters of `charge@1` have a name
//! with an `@` in it. A byte that Kafka does not take stands as `_x` and its two hex digits.

use std::{borrow::Cow, fmt::Write as _};

use crate::error::LogError;

/// Bytes of a name at most, Kafka's own limit.
const BYTES_MAX: usize = 249;
/// Before the hex digits of a byte.
const MARK: &str = "_x";

/// The name in Kafka.
///
/// # Errors
///
/// [`LogError::Invalid`]: there is none, as for one that is too long or reads as another one's.
pub(super) fn kafka(name: &str) -> Result<Cow<'_, str>, LogError> {
    let invalid = || LogError::Invalid(format!("a topic of Kafka can't be called {name:?}"));
    if matches!(name, "" | "." | "..") || name.starts_with("__") || ours(name) != name {
        return Err(invalid());
    }
    let shown = if name.bytes().all(is_plain) { name.into() } else { escaped(name).into() };
    let shown: Cow<'_, str> = shown;
    if shown.len() > BYTES_MAX { Err(invalid()) } else { Ok(shown) }
}

fn escaped(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len()), |mut all, byte| {
        if is_plain(byte) {
            all.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            write!(all, "{MARK}{byte:02x}").unwrap_or_default();
        }
        all
    })
}

/// The name as it is outside of Kafka.
pub(super) fn ours(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find(MARK) {
        let (before, marked) = rest.split_at(at);
        bytes.extend_from_slice(before.as_bytes());
        let digits = marked.get(MARK.len()..MARK.len() + 2);
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        // What Kafka takes is never escaped.
        let length = if let Some(byte) = byte.filter(|byte| !is_plain(*byte)) {
            bytes.push(byte);
            MARK.len() + 2
        } else {
            bytes.extend_from_slice(MARK.as_bytes());
            MARK.len()
        };
        rest = marked.get(length..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    // Somebody else's name may read as bytes that are no text: then it stands as it is.
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests;
