//! Chance, injected so that a simulation can repeat itself.

use std::{cell::RefCell, fmt};

use bytes::Bytes;

/// A source of bits that nobody else draws.
pub trait Random: fmt::Debug + Send + Sync {
    /// 64 bits.
    fn bits(&self) -> u64;
}

/// Bytes that are asked of the system at once: a call costs more than what it brings.
const POOL_BYTES: usize = 512;

/// The operating system's random bits, fetched some at a time for each thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    /// # Panics
    ///
    /// When the system has no random bits to give: without them two owners could be one.
    fn bits(&self) -> u64 {
        POOL.with_borrow_mut(Pool::take)
    }
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], left: 0 }) };
}

struct Pool {
    bytes: [u8; POOL_BYTES],
    left: usize,
}

impl Pool {
    /// Each byte is given once.
    fn take(&mut self) -> u64 {
        const EACH: usize = size_of::<u64>();
        if self.left < EACH {
            getrandom::fill(&mut self.bytes).expect("the operating system gives random bits");
            self.left = POOL_BYTES;
        }
        self.left -= EACH;
        let bits = self.bytes.get(self.left..).and_then(|rest| rest.first_chunk());
        u64::from_ne_bytes(*bits.expect("as many bytes are left"))
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

#[cfg(test)]
mod tests;
