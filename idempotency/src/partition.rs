//! Which partition of a topic an event belongs to.

use std::{collections::BTreeMap, sync::Arc};

/// Partitions of a topic that says nothing else.
pub const PARTITIONS_DEFAULT: u32 = 8;

/// The partition of a key among so many: Kafka's `murmur2` partitioner, so that events keep their
/// partitions when they move to Kafka. Of none there is only partition 0.
pub fn partition_of(key: &str, partitions: u32) -> u32 {
    (murmur2(key.as_bytes()) & 0x7fff_ffff).checked_rem(partitions).unwrap_or(0)
}

/// How many partitions topics have that do not have the usual number. Clones share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partitions(Arc<BTreeMap<Arc<str>, u32>>);

impl Partitions {
    /// The numbers by topic.
    pub fn new(topics: impl IntoIterator<Item = (Arc<str>, u32)>) -> Self {
        Self(Arc::new(topics.into_iter().collect()))
    }

    /// The number of a topic. None: the usual one.
    pub fn get(&self, topic: &str) -> Option<u32> {
        self.0.get(topic).copied()
    }
}

/// Kafka's `Utils.murmur2`: Austin Appleby's `MurmurHash2` with Kafka's seed.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MIX: u32 = 0x5bd1_e995;
    // The length is part of the hash as Java's int, which wraps.
    #[expect(clippy::cast_possible_truncation, reason = "as in Kafka, for keys below 4 GiB")]
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MIX);
        word ^= word >> 24;
        hash = hash.wrapping_mul(MIX) ^ word.wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests;
