//! Ids that follow from what they stand for, so that whoever computes them again gets the same.

use headgate_types::Event;

use crate::{base32, key::Scope};

/// Bytes of a derived id: 160 bits, so that a collision by chance needs about 2^80 ids.
const ID_BYTES: usize = 20;

/// The id of an event that the handling of another one emits, told apart by a label. Attempt,
/// fence, time, host and the handler's code have no part in it, so a repeated run emits the same.
pub fn child_id<T>(parent: &Event<T>, scope: &Scope, label: &str) -> String {
    derive("hg1", [&parent.source, &parent.id, scope.as_str(), label])
}

/// The id of the event that a client's request makes, from the client's key for it: a request that
/// is repeated, even at another edge, makes the same event.
pub fn root_id(principal: &str, route: &str, key: &str) -> String {
    derive("hgroot1", [principal, route, key])
}

/// The first 160 bits of BLAKE3 over the parts, each behind its length, in base 32.
fn derive<const N: usize>(purpose: &str, parts: [&str; N]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in std::iter::once(purpose).chain(parts) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hasher.finalize();
    base32::encode(&hash.as_bytes().first_chunk::<ID_BYTES>().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests;
