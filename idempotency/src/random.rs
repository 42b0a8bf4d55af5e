//! Chance, injected so that a simulation can repeat itself.

use std::fmt;

use bytes::Bytes;

/// A source of bits that nobody else draws.
pub trait Random: fmt::Debug + Send + Sync {
    /// 64 bits.
    fn bits(&self) -> u64;
}

/// The operating system's random bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    /// # Panics
    ///
    /// When the system has no random bits to give: without them two owners could be one.
    fn bits(&self) -> u64 {
        getrandom::u64().expect("the operating system gives random bits")
    }
}

/// Whoever claims a key, once: 128 random bits for each attempt to claim, not for each process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner([u8; 16]);

impl Owner {
    /// Draws one.
    pub fn draw(random: &dyn Random) -> Self {
        Self((u128::from(random.bits()) << 64 | u128::from(random.bits())).to_be_bytes())
    }

    pub(crate) fn read(bytes: &Bytes) -> Option<Self> {
        bytes.as_ref().try_into().ok().map(Self)
    }

    pub(crate) fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::base32::encode(&self.0))
    }
}
