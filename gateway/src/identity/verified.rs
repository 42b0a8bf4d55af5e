//! What has been verified, and for how long it is remembered.

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::digest;
use headgate_telemetry::access::Pseudonym;
use headgate_types::{Identity, Strength, UnixTime};
use quick_cache::{Weighter, sync::Cache};
use serde_json::Map;

use crate::{
    identity::{Denied, Reason, in_time, key_ring::Key},
    settings::ANONYMOUS,
};

/// Bytes that all remembered tokens may take, about 40,000 of the usual size. Verifying one again
/// costs some 50 µs, so a caller whose entry had to go hardly notices.
pub(super) const CACHE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Bytes that an entry takes besides its claims. With the total it also bounds the number of
/// entries, to 131,072.
const ENTRY_BYTES: u64 = 1024;

/// Claims in memory, as trees and strings, for each byte of the token that carried them.
const BYTES_PER_TOKEN_BYTE: u64 = 3;

static VERIFICATIONS: AtomicU64 = AtomicU64::new(0);

/// A caller that a source vouches for.
#[derive(Debug)]
pub struct Verified {
    /// The caller.
    pub identity: Identity,
    pseudonym: Pseudonym,
    serial: u64,
    proof: Proof,
}

/// What a verification rests on.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// The key that signed the token. None for what no key has signed.
    pub(super) key: Option<Arc<Key>>,
    /// When the proof begins, the leeway included.
    pub(super) not_before: Option<UnixTime>,
    /// When the proof ends, the leeway included.
    pub(super) ends_at: Option<UnixTime>,
    /// When whoever vouched for the credential has to be asked again. None means never.
    pub(super) ask_again_at: Option<UnixTime>,
    /// Length of the credential.
    pub(super) credential_bytes: usize,
}

impl Verified {
    pub(super) fn new(identity: Identity, proof: Proof) -> Self {
        // Only uniqueness matters, not the order in which other threads see it.
        let serial = VERIFICATIONS.fetch_add(1, Ordering::Relaxed);
        let pseudonym = Pseudonym::of(&identity.subject);
        Self { identity, pseudonym, serial, proof }
    }

    /// A caller whom nobody knows, by a number that stands for its address.
    pub(super) fn anonymous(address: u64) -> Self {
        let subject: Arc<str> =
            format!("{ANONYMOUS}-{:016x}", number(Pseudonym::of(&format!("address {address:x}"))))
                .into();
        let identity = Identity {
            device_id: Arc::clone(&subject),
            subject,
            source: ANONYMOUS.into(),
            strength: Strength::Anonymous,
            scopes: Vec::new(),
            claims: Map::new(),
            expires_at: None,
        };
        Self::new(identity, Proof::default())
    }

    /// Whether it is a caller whom nobody knows.
    pub fn is_anonymous(&self) -> bool {
        self.identity.strength == Strength::Anonymous
    }

    /// The subject as access lines name it.
    pub fn pseudonym(&self) -> Pseudonym {
        self.pseudonym
    }

    /// A number that stands for the subject.
    pub fn user(&self) -> u64 {
        number(self.pseudonym)
    }

    /// Names this verification. No other one in the process has the same number, so that what is
    /// derived from it is never taken for another credential's.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// When the edge stops to honor the credential: its own end and the leeway. None means never.
    pub fn ends_at(&self) -> Option<UnixTime> {
        self.proof.ends_at
    }

    /// Whether the source still holds the key that signed the token.
    pub(super) fn is_vouched_for(&self) -> bool {
        self.proof.key.as_ref().is_none_or(|key| !key.is_withdrawn())
    }

    /// Whether the time is over for which one answer about it holds.
    pub(super) fn is_to_be_asked_again(&self, now: UnixTime) -> bool {
        self.proof.ask_again_at.is_some_and(|at| now >= at)
    }

    pub(super) fn in_time(&self, now: UnixTime) -> Result<(), Reason> {
        in_time(self.proof.not_before, self.proof.ends_at, now)
    }

    fn bytes(&self) -> u64 {
        ENTRY_BYTES + self.proof.credential_bytes as u64 * BYTES_PER_TOKEN_BYTE
    }
}

fn number(pseudonym: Pseudonym) -> u64 {
    u64::from_be_bytes(*pseudonym.as_bytes())
}

/// Remembers what was verified, by the hash of the credential.
///
/// Only good credentials get in: a flood of forged ones costs their verification, and puts out
/// no entry. What is used again stays (S3-FIFO: Yang et al., "FIFO queues are all you need for
/// cache eviction", SOSP 2023).
#[derive(Debug)]
pub(super) struct VerifiedCache(Cache<CacheKey, Arc<Verified>, ByBytes>);

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<CacheKey, Arc<Verified>> for ByBytes {
    fn weight(&self, _: &CacheKey, verified: &Arc<Verified>) -> u64 {
        verified.bytes()
    }
}

impl VerifiedCache {
    pub(super) fn new(bytes_max: u64) -> Self {
        let entries_count = usize::try_from(bytes_max / ENTRY_BYTES).unwrap_or(usize::MAX);
        Self(Cache::with_weighter(entries_count, bytes_max, ByBytes))
    }

    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<Verified>> {
        self.0.get(key)
    }

    pub(super) fn insert(&self, key: CacheKey, verified: Arc<Verified>) {
        self.0.insert(key, verified);
    }

    pub(super) fn remove(&self, key: &CacheKey) {
        self.0.remove(key);
    }

    /// What is remembered, or what `verify` comes to, which runs once for all who ask for the key
    /// at a time. An error is not remembered: the next one verifies.
    pub(super) async fn get_or(
        &self,
        key: &CacheKey,
        verify: impl Future<Output = Result<Arc<Verified>, Denied>>,
    ) -> Result<Arc<Verified>, Denied> {
        self.0.get_or_insert_async(key, verify).await
    }

    #[cfg(test)]
    pub(super) fn entries_count(&self) -> usize {
        self.0.len()
    }
}

/// A credential as one source sees it.
///
/// The credential itself is not kept. SHA-256 and not a faster hash, because whoever found a
/// second credential with the hash of a good one would be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheKey {
    source: u64,
    sha256: [u8; 32],
}

impl CacheKey {
    pub(super) fn new(source: u64, credential: &[u8]) -> Self {
        Self::of_sha256(source, sha256(credential))
    }

    pub(super) const fn of_sha256(source: u64, sha256: [u8; 32]) -> Self {
        Self { source, sha256 }
    }
}

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Eight bytes of a cryptographic hash spread as well as all of it.
        let prefix = self.sha256.first_chunk().copied().unwrap_or_default();
        state.write_u64(u64::from_ne_bytes(prefix) ^ self.source);
    }
}

/// SHA-256 of some bytes, without allocating.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}
