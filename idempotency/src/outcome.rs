//! How an attempt ends: what is written together with its record.

use std::time::Duration;

use bytes::Bytes;
use headgate_store::{Condition, Content, Durability, Key, Operation};
use headgate_types::UnixTime;

use crate::child::Child;

/// A result with everything that belongs to it, written together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// What a duplicate is answered, byte for byte.
    pub result: Bytes,
    /// How long the outcome is kept. None: as long as the claim says.
    pub ttl: Option<Duration>,
    /// State that the attempt writes.
    pub state: Vec<StateWrite>,
    /// Events that the attempt emits.
    pub emit: Vec<Child>,
    /// More of the same batch: a consumer group's offset, a delayed entry that is taken.
    pub also: Vec<Operation>,
}

impl Commit {
    /// A commit of a result alone.
    pub fn new(result: impl Into<Bytes>) -> Self {
        Self { result: result.into(), ..Self::default() }
    }
}

/// A write of one item of state, on condition that it is as the attempt saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWrite {
    /// The item, in any space but that of the records.
    pub key: Key,
    /// What the attempt saw there.
    pub seen: Seen,
    /// What it is from then on. None: gone.
    pub content: Option<Content>,
}

/// What an attempt saw of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Absent,
    /// The item in this version.
    Version(u64),
}

impl Seen {
    pub(crate) const fn condition(self) -> Condition {
        match self {
            Self::Absent => Condition::Absent,
            Self::Version(version) => Condition::VersionIs(version),
        }
    }
}

/// A commit took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The version that the state which was written has.
    pub version: u64,
    /// How far it has come. None: the answer was lost, and the record itself told.
    pub durability: Option<Durability>,
}

/// An attempt that failed and is to be made again.
#[derive(Clone, Debug)]
pub struct Release {
    /// When.
    pub due: UnixTime,
    /// Why, in a line. The first kilobyte is kept.
    pub error: String,
    /// Whose fault it was.
    pub blame: Blame,
    /// The event, to be delivered again then: in the same batch, because its offset moves on.
    /// None: somebody else will deliver it again.
    pub delayed: Option<Delayed>,
    /// More of the same batch, such as the consumer group's offset.
    pub also: Vec<Operation>,
}

/// Whose fault a failed attempt was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The handler's or the event's: the attempt counts.
    Handler,
    /// Of something that the handler depends on: the attempt does not count.
    Dependency,
}

/// An entry of a delay queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delayed {
    /// The queue.
    pub queue: String,
    /// Tells entries of one time apart.
    pub id: Bytes,
    /// The whole event.
    pub payload: Bytes,
}

/// An event that is given up.
#[derive(Clone, Debug, Default)]
pub struct Park {
    /// Why, in a line. The first kilobyte is kept.
    pub error: String,
    /// How long the record is kept. None: as long as the claim says.
    pub ttl: Option<Duration>,
    /// The dead letter.
    pub emit: Vec<Child>,
    /// More of the same batch, such as the consumer group's offset.
    pub also: Vec<Operation>,
}

/// An attempt of which nobody knows whether its effect happened. Its record never expires.
#[derive(Clone, Debug, Default)]
pub struct Hold {
    /// Why, in a line. The first kilobyte is kept.
    pub error: String,
    /// Whom it is told.
    pub emit: Vec<Child>,
    /// More of the same batch, such as the consumer group's offset.
    pub also: Vec<Operation>,
}

/// How an attempt ends.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// With a result.
    Done(Commit),
    /// With a refusal for good, which duplicates are answered too.
    Rejected(Commit),
    /// To be made again.
    Retry(Release),
    /// In doubt.
    Hold(Hold),
    /// Given up.
    Park(Park),
}

impl From<Commit> for Outcome {
    fn from(commit: Commit) -> Self {
        Self::Done(commit)
    }
}

/// What a person, or a probe of the other side, says of a key that waits.
#[derive(Clone, Debug)]
pub enum Resolution {
    /// It happened: this is its result.
    Done(Commit),
    /// It is refused for good.
    Rejected(Commit),
    /// It did not happen, or shall be tried again: attempts count from the start.
    Retry(Release),
}
