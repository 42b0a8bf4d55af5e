//! What tells whether a key was used again for something else.

use std::fmt;

use bytes::Bytes;
use serde_json::{Number, Value};

/// A BLAKE3 hash of a payload, 256 bits. It is stored and compared; the payload is not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of bytes as they are.
    pub fn of_bytes(payload: &[u8]) -> Self {
        Self(
            *blake3::Hasher::new_derive_key("headgate fingerprint bytes 1")
                .update(payload)
                .finalize()
                .as_bytes(),
        )
    }

    /// Of a JSON document in canonical form: neither white space, nor the order of members, nor the
    /// way a string or number is written counts. Bytes that are no JSON are taken as they are.
    ///
    /// Follows RFC 8785, but keeps integers up to 64 bits exact, where the RFC takes every number
    /// as a double: identifiers above 2^53 must not look alike.
    pub fn of_json(payload: &[u8]) -> Self {
        let Ok(document) = serde_json::from_slice(payload) else { return Self::of_bytes(payload) };
        let mut hasher = blake3::Hasher::new_derive_key("headgate fingerprint json 1");
        write(&document, &mut hasher);
        Self(*hasher.finalize().as_bytes())
    }

    /// Of this and of something beside the payload, such as a method and a path. The order counts.
    #[must_use]
    pub fn with(self, part: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("headgate fingerprint part 1");
        hasher.update(&self.0).update(part);
        Self(*hasher.finalize().as_bytes())
    }

    /// The hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::base32::encode(&self.0))
    }
}

/// The hash by which a result is known again.
pub(crate) fn result_hash(result: &[u8]) -> Bytes {
    Bytes::copy_from_slice(blake3::hash(result).as_bytes())
}

fn write(value: &Value, hasher: &mut blake3::Hasher) {
    match value {
        Value::Null => put(b"null", hasher),
        Value::Bool(true) => put(b"true", hasher),
        Value::Bool(false) => put(b"false", hasher),
        Value::Number(number) => put(canonical(number).as_bytes(), hasher),
        Value::String(text) => string(text, hasher),
        Value::Array(values) => {
            for (value, mark) in values.iter().zip(marks(b"[")) {
                put(mark, hasher);
                write(value, hasher);
            }
            put(if values.is_empty() { b"[]" } else { b"]" }, hasher);
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            for ((name, value), mark) in members.iter().zip(marks(b"{")) {
                put(mark, hasher);
                string(name, hasher);
                put(b":", hasher);
                write(value, hasher);
            }
            put(if members.is_empty() { b"{}" } else { b"}" }, hasher);
        }
    }
}

/// What stands before the first element, and before each that follows.
fn marks(first: &'static [u8]) -> impl Iterator<Item = &'static [u8]> {
    std::iter::once(first).chain(std::iter::repeat(b",".as_slice()))
}

/// Length and text: no escape is needed where nothing is read back.
fn string(text: &str, hasher: &mut blake3::Hasher) {
    put(b"\"", hasher);
    put(&(text.len() as u64).to_le_bytes(), hasher);
    put(text.as_bytes(), hasher);
}

fn put(bytes: &[u8], hasher: &mut blake3::Hasher) {
    hasher.update(bytes);
}

/// An integer as it is; a double that is a whole number as that number, so that `1.0` is `1`.
fn canonical(number: &Number) -> String {
    // Above it a double is not every whole number any more.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() < WHOLE_MAX => {
            // Adding zero makes one of the two zeros.
            format!("{:.0}", double + 0.0)
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests;
