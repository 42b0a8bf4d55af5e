//! What a record is kept under: a scope that a team names, and a key inside it.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use headgate_store::Key;

use crate::base32;

/// The space that records are items of. No state may be kept in it.
pub const SPACE: &str = "idempotency";
/// Bytes of a scope at most.
pub const SCOPE_BYTES_MAX: usize = 128;
/// Bytes of a raw key at most.
pub const RAW_KEY_BYTES_MAX: usize = 1_024;
/// Bytes of the hash that stands for a raw key: 160 bits, so that a collision by chance needs about
/// 2^80 keys.
const HASH_BYTES: usize = 20;

/// What keeps the keys of one handler apart from another's: a name that its team writes, such as
/// `billing.charge@1`. Never the place of the code, which a move would change together with all
/// keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Takes a name of visible ASCII characters other than `#` and `~`, which separate the scope
    /// from what follows it.
    ///
    /// # Errors
    ///
    /// [`KeyError::Scope`] for an empty name, one above [`SCOPE_BYTES_MAX`], or another character.
    pub fn new(name: &str) -> Result<Self, KeyError> {
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '~');
        if name.is_empty() || name.len() > SCOPE_BYTES_MAX || !name.chars().all(is_plain) {
            return Err(KeyError::Scope(name.chars().take(SCOPE_BYTES_MAX).collect()));
        }
        Ok(Self(name.into()))
    }

    /// The scope of a replay on purpose: its keys have no record yet, so everything runs again.
    /// Replay 0 is the scope itself.
    #[must_use]
    pub fn replay(&self, number: u32) -> Self {
        let name = self.0.split('~').next().unwrap_or_default();
        if number == 0 { Self(name.into()) } else { Self(format!("{name}~{number}").into()) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one record.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RecordKey {
    item: Key,
    raw: Bytes,
}

impl RecordKey {
    /// Places a raw key, such as an order's number, in a scope. The record's key is
    /// `scope#hash`, with the hash the first 160 bits of BLAKE3 in base 32; the raw key is kept in
    /// the record, so that a collision is found and never taken for the same key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`], and [`KeyError::TooLong`] above [`RAW_KEY_BYTES_MAX`].
    pub fn new(scope: &Scope, raw: impl Into<Bytes>) -> Result<Self, KeyError> {
        let raw = raw.into();
        if raw.is_empty() {
            return Err(KeyError::Empty);
        }
        if raw.len() > RAW_KEY_BYTES_MAX {
            return Err(KeyError::TooLong { bytes: raw.len() });
        }
        let hash = blake3::hash(&raw);
        let hash = hash.as_bytes().first_chunk::<HASH_BYTES>().copied().unwrap_or_default();
        let item = Key::new(SPACE, format!("{scope}#{}", base32::encode(&hash)));
        Ok(Self { item, raw })
    }

    /// The key of a record that was found.
    pub(crate) fn found(key: Bytes, raw: Bytes) -> Self {
        Self { item: Key::new(SPACE, key), raw }
    }

    /// The record's name, `scope#hash`: it tells neither the raw key nor the caller.
    pub fn id(&self) -> String {
        String::from_utf8_lossy(&self.item.key).into_owned()
    }

    /// The name of its scope.
    pub fn scope(&self) -> String {
        let id = self.id();
        id.rsplit_once('#').map_or(id.clone(), |(scope, _)| scope.to_owned())
    }

    /// The record's item.
    pub const fn item(&self) -> &Key {
        &self.item
    }

    /// The raw key.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The key that an effect outside is carried out under. It is the same for every attempt, and
    /// another for every name and record.
    pub fn effect_key(&self, name: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [b"hgeff1".as_slice(), &self.item.key, name.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let hash = hasher.finalize();
        base32::encode(&hash.as_bytes().first_chunk::<HASH_BYTES>().copied().unwrap_or_default())
    }
}

/// Without the raw key, which may name a person.
impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.item.key))
    }
}

/// Why a key or a scope can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The scope is no name.
    #[error(
        "the scope {0:?} is not 1 to {SCOPE_BYTES_MAX} visible ASCII characters without # and ~"
    )]
    Scope(String),
    /// The key is empty: every event without one would be the same.
    #[error("the key is empty")]
    Empty,
    /// The key is too long.
    #[error("the key has {bytes} bytes, and at most {RAW_KEY_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests;
