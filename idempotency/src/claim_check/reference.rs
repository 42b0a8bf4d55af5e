//! What an event carries in place of its data.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use headgate_types::Event;
use sha2::{Digest as _, Sha256};

/// RFC 6920, section 3: a name by the data's digest, on nobody's authority.
const BEFORE: &str = "ni:///sha-256;";
/// What an event without its data has in its place.
const NOTHING: &[u8] = b"null";

/// The digest of data that is kept apart from its event, as `ni:///sha-256;` and 43 letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataRef([u8; 32]);

/// Text that is no reference of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {BEFORE} and a digest")]
pub struct ParseDataRefError;

impl DataRef {
    /// The reference of data. Costs a pass over it.
    pub fn of(data: &[u8]) -> Self {
        Self(Sha256::digest(data).into())
    }

    /// The reference that an event carries in place of its data. None: the data is its own, also
    /// where others refer to a copy of it.
    pub fn in_place_of_data(event: &Event) -> Option<Self> {
        let reference = event.data_ref.as_ref().filter(|_| event.data == NOTHING)?;
        reference.parse().ok()
    }

    pub(super) const fn digest(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for DataRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEFORE}{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for DataRef {
    type Err = ParseDataRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digest = text.strip_prefix(BEFORE).ok_or(ParseDataRefError)?;
        let digest = URL_SAFE_NO_PAD.decode(digest).map_err(|_| ParseDataRefError)?;
        digest.try_into().map(Self).map_err(|_| ParseDataRefError)
    }
}

#[cfg(test)]
mod tests;
