//! Batches: what is written together or not at all, within limits.

mod limits;
mod parts;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use headgate_types::UnixTime;
use serde::{Deserialize, Serialize};

pub(crate) use limits::name as named;
use limits::within;

use crate::{
    error::Error,
    item::{Condition, Content, Edit, Key},
    remote::times::{maybe_time, time},
};

/// Operations in one batch at most; `DynamoDB` allows 100.
pub const OPERATIONS_MAX: usize = 128;
/// Bytes of an item's key, or of a delayed entry's id, at most; `DynamoDB`'s sort key has 1 KiB.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Bytes of a space's, topic's, group's, queue's or attribute's name at most; at least 1.
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes of an item's value at most: a mebibyte, and room for what describes it.
pub const VALUE_BYTES_MAX: usize = (1 << 20) + (64 << 10);
/// Bytes of a log entry or of a delayed entry at most.
pub const ENTRY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a batch at most, as `DynamoDB`'s transactions.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// Attributes of an item at most, and edits of one update.
pub const ATTRIBUTES_MAX: usize = 64;
/// Conditions inside one condition at most, itself included.
pub const CONDITION_TERMS_MAX: usize = 64;
/// Partitions of a topic are numbered up to this.
pub const PARTITION_MAX: u32 = 1_023;
/// Rows that one step of a trim or a sweep removes at most. Live batches wait for the step.
pub const STEP_ROWS_MAX: usize = 100;

/// One part of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Operation {
    /// Only asks for a condition.
    Check {
        /// The item.
        key: Key,
        /// What must hold.
        when: Condition,
    },
    /// Writes an item as a whole.
    Put {
        /// The item.
        key: Key,
        /// What it holds from then on.
        content: Content,
        /// What must hold.
        when: Condition,
    },
    /// Changes an item, or makes one out of nothing.
    Update {
        /// The item.
        key: Key,
        /// The changes, one after the other.
        edits: Vec<Edit>,
        /// What must hold.
        when: Condition,
    },
    /// Removes an item, if it is there.
    Delete {
        /// The item.
        key: Key,
        /// What must hold.
        when: Condition,
    },
    /// Adds an entry to the end of a partition; its offset is the next one.
    Append {
        /// The topic, made by its first entry.
        topic: String,
        /// Up to [`PARTITION_MAX`].
        partition: u32,
        /// The entry's age counts from here; whole milliseconds.
        #[serde(with = "time")]
        time: UnixTime,
        /// The entry.
        payload: Bytes,
    },
    /// Moves a consumer group's offset forward: the next offset to read. A lower one changes
    /// nothing, so that a late commit of a former owner is harmless.
    CommitOffset {
        /// The consumer group.
        group: String,
        /// The topic, made if it is not there.
        topic: String,
        /// The partition.
        partition: u32,
        /// The next offset to read.
        offset: u64,
    },
    /// Sets a consumer group's offset, backward too.
    ResetOffset {
        /// The consumer group.
        group: String,
        /// The topic, made if it is not there.
        topic: String,
        /// The partition.
        partition: u32,
        /// The next offset to read.
        offset: u64,
    },
    /// Removes a topic: its partitions with their entries, and the offsets of all groups. It is gone
    /// at once and its name is free; sweeps give its space back, step by step. Nothing else in its
    /// batch may name the topic.
    DeleteTopic {
        /// The topic, if it is there.
        topic: String,
    },
    /// Puts an entry into a delay queue, in place of one of the same time and id.
    Schedule {
        /// The queue.
        queue: String,
        /// When it is due, whole milliseconds.
        #[serde(with = "time")]
        due: UnixTime,
        /// Tells entries of one time apart.
        id: Bytes,
        /// The entry.
        payload: Bytes,
    },
    /// Takes an entry out of a delay queue. The batch is refused if it is not there, so that of
    /// two takers one succeeds.
    Take {
        /// The queue.
        queue: String,
        /// When it is due.
        #[serde(with = "time")]
        due: UnixTime,
        /// Its id.
        id: Bytes,
    },
    /// Removes entries from the front of a partition: one step, the only operation of its batch.
    Trim {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What is kept.
        keep: Keep,
    },
    /// Removes items that have expired, then what is left of deleted topics: one step, the only
    /// operation of its batch.
    Sweep {
        /// Items whose time to expire lies before it are removed.
        #[serde(with = "time")]
        now: UnixTime,
    },
}

/// What a trim keeps. An entry goes when it is too old *or* one too many in bytes, and never when
/// its offset is not below `below`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Entries of this time and later stay. None: age removes nothing.
    #[serde(with = "maybe_time")]
    pub since: Option<UnixTime>,
    /// Bytes that the partition may hold, 16 for each entry besides its payload. None: size
    /// removes nothing.
    pub bytes: Option<u64>,
    /// Entries of this offset and later stay, such as the least offset of all groups. None: no
    /// offset is protected.
    pub below: Option<u64>,
}

/// What is written together or not at all. Clones share their operations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "parts::Parts", into = "parts::Parts")]
pub struct Batch {
    // Shared between clones: whoever may have to send a batch again keeps one.
    operations: Arc<Vec<Operation>>,
    uses_reserve: bool,
}

impl Batch {
    /// An empty batch, which is not yet valid.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch that removes one step's worth of old entries from a partition.
    pub fn trim(topic: impl Into<String>, partition: u32, keep: Keep) -> Self {
        Self::new().with(Operation::Trim { topic: topic.into(), partition, keep })
    }

    /// A batch that removes one step's worth of expired items and of deleted topics.
    pub fn sweep(now: UnixTime) -> Self {
        Self::new().with(Operation::Sweep { now })
    }

    /// Adds an operation.
    #[must_use]
    pub fn with(mut self, operation: Operation) -> Self {
        Arc::make_mut(&mut self.operations).push(operation);
        self
    }

    /// Writes an item when the condition holds.
    #[must_use]
    pub fn put(self, key: Key, content: Content, when: Condition) -> Self {
        self.with(Operation::Put { key, content, when })
    }

    /// Changes an item when the condition holds.
    #[must_use]
    pub fn update(self, key: Key, edits: Vec<Edit>, when: Condition) -> Self {
        self.with(Operation::Update { key, edits, when })
    }

    /// Removes an item when the condition holds.
    #[must_use]
    pub fn delete(self, key: Key, when: Condition) -> Self {
        self.with(Operation::Delete { key, when })
    }

    /// Adds an entry to a partition.
    #[must_use]
    pub fn append(
        self,
        topic: impl Into<String>,
        partition: u32,
        time: UnixTime,
        payload: impl Into<Bytes>,
    ) -> Self {
        let (topic, payload) = (topic.into(), payload.into());
        self.with(Operation::Append { topic, partition, time, payload })
    }

    /// Removes a topic.
    #[must_use]
    pub fn delete_topic(self, topic: impl Into<String>) -> Self {
        self.with(Operation::DeleteTopic { topic: topic.into() })
    }

    /// Lets the batch use space that is kept free, as one that ends what was begun before the disk
    /// filled up: an outcome, a release, a retry that is put off.
    #[must_use]
    pub fn from_reserve(mut self) -> Self {
        self.uses_reserve = true;
        self
    }

    /// Whether the batch may use space that is kept free.
    pub const fn uses_reserve(&self) -> bool {
        self.uses_reserve
    }

    /// The operations, in order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether this is a trim or a sweep, which gives way to live batches.
    pub fn is_upkeep(&self) -> bool {
        matches!(self.operations.as_slice(), [Operation::Trim { .. } | Operation::Sweep { .. }])
    }

    /// Whether the batch may need more space on the disk.
    pub fn grows(&self) -> bool {
        self.operations.iter().any(|operation| {
            matches!(
                operation,
                Operation::Put { .. }
                    | Operation::Update { .. }
                    | Operation::Append { .. }
                    | Operation::Schedule { .. }
            )
        })
    }

    /// Bytes that the batch carries, about.
    pub fn bytes(&self) -> usize {
        self.operations.iter().map(Operation::bytes).sum()
    }

    /// Finds what no engine would carry out.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] above a limit, [`Error::Invalid`] for an empty batch, a name that is
    /// empty, two operations on one item, another one on a topic that is deleted, or a trim or sweep
    /// beside another operation.
    pub fn validate(&self) -> Result<(), Error> {
        within("the batch's operations", self.operations.len(), OPERATIONS_MAX)?;
        within("the batch's bytes", self.bytes(), BATCH_BYTES_MAX)?;
        if self.operations.is_empty() {
            return Err(Error::Invalid("it has no operation"));
        }
        let upkeep =
            |op: &Operation| matches!(op, Operation::Trim { .. } | Operation::Sweep { .. });
        if self.operations.len() > 1 && self.operations.iter().any(upkeep) {
            return Err(Error::Invalid("a trim or sweep stands beside another operation"));
        }
        self.validate_topics()?;
        let (mut items, mut delayed) = (BTreeSet::new(), BTreeSet::new());
        for operation in self.operations.iter() {
            operation.validate()?;
            let once = match operation {
                Operation::Check { key, .. }
                | Operation::Put { key, .. }
                | Operation::Update { key, .. }
                | Operation::Delete { key, .. } => items.insert(key),
                Operation::Schedule { queue, due, id, .. } | Operation::Take { queue, due, id } => {
                    delayed.insert((queue, due, id))
                }
                _ => true,
            };
            if !once {
                return Err(Error::Invalid("two operations are on the same item"));
            }
        }
        Ok(())
    }
}

/// What a batch did, told once it has the durability that it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The batch's number: batches take effect in this order, which has gaps where batches were
    /// refused. It is the version of the items that the batch wrote.
    pub sequence: u64,
    /// How far the batch has come.
    pub durability: Durability,
    /// What each operation did, in their order.
    pub done: Vec<Done>,
}

/// How far an acknowledged batch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Durability {
    /// In this process's memory only: what the engine for tests gives.
    Memory,
    /// Written and synced to the disk of this machine.
    Synced,
    /// Written to several machines by the service that keeps it.
    Replicated,
}

/// What one operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Done {
    /// The condition held.
    Checked,
    /// The item was written, and has the acknowledgement's sequence as its version.
    Written,
    /// The item or topic is gone.
    Deleted {
        /// Whether it was there.
        existed: bool,
    },
    /// The entry was appended.
    Appended {
        /// Its offset.
        offset: u64,
    },
    /// The group's offset stands.
    Offset {
        /// Where it stands, which is not what was asked for if that was lower.
        offset: u64,
    },
    /// The entry is in the delay queue.
    Scheduled,
    /// The entry was taken.
    Taken,
    /// Rows were removed.
    Removed {
        /// How many log entries or items. Of a deleted topic each partition and offset too, and one
        /// for itself.
        rows: usize,
        /// Whether the step ended at its bound, so that another one is due.
        more: bool,
    },
}

#[cfg(test)]
mod tests;
