//! Events that a commit emits, and how a store carries them.

use bytes::Bytes;
use headgate_store::Batch;
use headgate_types::UnixTime;

/// An event that is emitted by a commit: it is there if and only if the commit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The event's id, which must be the same for every attempt of its parent.
    pub id: String,
    /// The topic that it goes to.
    pub topic: String,
    /// The partition of the topic.
    pub partition: u32,
    /// When it was emitted.
    pub time: UnixTime,
    /// The event as it is to stand in the log.
    pub payload: Bytes,
}

/// Children as log entries of the same batch: for a store that has the log too.
///
/// A store without a log overrides [`Store::emit`](crate::Store::emit), and puts them into an
/// outbox by their ids.
pub(crate) fn append(batch: Batch, children: Vec<Child>) -> Batch {
    children.into_iter().fold(batch, |batch, child| {
        batch.append(child.topic, child.partition, child.time, child.payload)
    })
}
