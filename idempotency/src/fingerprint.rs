//! What tells whether a key was used again for something else.

mod canonical;

use std::fmt;

use bytes::Bytes;

/// What is hashed before a payload, each of one length, so that no two uses have one hash.
const OF_BYTES: &[u8; 8] = b"hgfpbyt1";
const OF_JSON: &[u8; 8] = b"hgfpjsn1";
const OF_PART: &[u8; 8] = b"hgfpprt1";

/// A BLAKE3 hash of a payload, 256 bits. It is stored and compared; the payload is not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of bytes as they are.
    pub fn of_bytes(payload: &[u8]) -> Self {
        Self(*blake3::Hasher::new().update(OF_BYTES).update(payload).finalize().as_bytes())
    }

    /// Of a JSON document in canonical form: neither white space, nor the order of members, nor the
    /// way a string or number is written counts. Bytes that are no JSON are taken as they are.
    ///
    /// Follows RFC 8785, but keeps integers up to 64 bits exact, where the RFC takes every number
    /// as a double: identifiers above 2^53 must not look alike.
    pub fn of_json(payload: &[u8]) -> Self {
        let mut form = Vec::with_capacity(OF_JSON.len() + 2 * payload.len());
        form.extend_from_slice(OF_JSON);
        match canonical::append(payload, &mut form) {
            Ok(()) => Self(*blake3::hash(&form).as_bytes()),
            Err(_) => Self::of_bytes(payload),
        }
    }

    /// Of this and of something beside the payload, such as a method and a path. The order counts.
    #[must_use]
    pub fn with(self, part: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(OF_PART).update(&self.0).update(part);
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

#[cfg(test)]
mod tests;
