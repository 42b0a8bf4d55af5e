//! What is asked of a log: partitions that are appended to and read in order, and groups of
//! consumers that share them.

use std::{fmt, pin::Pin, sync::Arc};

use bytes::Bytes;
use headgate_idempotency::partition_of;
use headgate_store::Operation;
use headgate_types::{DecodeEventError, Event, UnixTime};

use crate::{
    envelope,
    error::LogError,
    topic::{Topic, Topics},
};

/// Entries that a member is given at once, at most.
pub const ENTRIES_MAX: usize = 256;

/// An answer that is awaited, behind a pointer so that the log is chosen at run time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, LogError>> + Send + 'a>>;

/// Topics of partitions, each an ordered log.
///
/// An answer that is dropped undoes nothing.
pub trait Log: fmt::Debug + Send + Sync + 'static {
    /// Makes each topic, or checks that it has the partitions that are wanted; its retention is
    /// set. A topic that differs is left as it is, and is [`LogError::Differs`].
    fn ensure<'a>(&'a self, topics: &'a [Topic]) -> Answer<'a, ()>;

    /// Appends messages, those of one partition in their order, and tells their places in the order
    /// of the messages once all of them are durable.
    ///
    /// An error but [`LogError::Invalid`] may leave some of them appended.
    fn append(&self, messages: Vec<Message>) -> Answer<'_, Vec<Place>>;

    /// Entries of a partition from an offset on, without a group. Below the first that is kept,
    /// reading starts there. Empty at the end, and where there is no such topic.
    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Answer<'a, Vec<Entry>>;

    /// Where each partition of a topic begins and ends. None: there is no such topic.
    fn bounds<'a>(&'a self, topic: &'a str) -> Answer<'a, Option<Vec<Bounds>>>;

    /// The names of all topics, in order.
    fn topics(&self) -> Answer<'_, Vec<String>>;

    /// The offsets that a group has committed, by partition: the next ones to read. None where it
    /// committed none.
    fn offsets<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Vec<Option<u64>>>;

    /// The groups that have committed an offset of a topic, in order.
    fn groups<'a>(&'a self, topic: &'a str) -> Answer<'a, Vec<String>>;

    /// Sets a group's offset, backward too. The group must have no member.
    fn reset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
        offset: u64,
    ) -> Answer<'a, ()>;

    /// Removes a topic with all that it holds, and all groups' offsets of it.
    fn delete<'a>(&'a self, topic: &'a str) -> Answer<'a, ()>;

    /// Makes the caller a member of a group, to read its share of a topic's partitions.
    fn join<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Box<dyn Member>>;

    /// Follows all partitions of a topic without a group, each from an offset on; below the first
    /// that is kept, from there. `from` has an offset for each partition.
    fn follow<'a>(&'a self, topic: &'a str, from: &'a [u64]) -> Answer<'a, Box<dyn Follower>>;

    /// The commit of a settled offset as a part of the store's batch. None: the log is elsewhere,
    /// and the offset is [committed](Member::commit) after the batch.
    fn commit_with(
        &self,
        _group: &str,
        _topic: &str,
        _partition: u32,
        _offset: u64,
    ) -> Option<Operation> {
        None
    }
}

/// A member of a group, used by one task. It leaves the group when it is dropped.
pub trait Member: fmt::Debug + Send {
    /// Waits for what comes next. A wait that is given up takes nothing with it.
    fn next(&mut self) -> Answer<'_, Polled>;

    /// Gives no more entries of a partition until it is resumed. Those that were given stay given.
    fn pause(&mut self, partition: u32);

    /// Goes on with a partition where it was paused.
    fn resume(&mut self, partition: u32);

    /// Commits offsets, by partition: the next ones to read, below which everything is settled.
    /// Cheap enough to be called many times a second; it need not be durable when this returns.
    /// Lower offsets than before, and partitions of somebody else, change nothing.
    fn commit<'a>(&'a mut self, offsets: &'a [(u32, u64)]) -> Answer<'a, ()>;

    /// Lets partitions go that were [`Polled::Revoked`], once what was committed of them is durable.
    /// Called without partitions, it only makes durable what was committed.
    fn release<'a>(&'a mut self, partitions: &'a [u32]) -> Answer<'a, ()>;
}

/// Reads a topic as it grows, and keeps no account of it anywhere.
pub trait Follower: fmt::Debug + Send {
    /// Waits for entries, and gives those of one partition in order, at least one and at most
    /// [`ENTRIES_MAX`]. A wait that is given up takes nothing with it.
    fn next(&mut self) -> Answer<'_, Vec<Entry>>;
}

/// What comes next for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Partitions are this member's from here on.
    Assigned(Vec<Assigned>),
    /// Partitions shall be somebody else's: settle what is at work, commit, and release them.
    Revoked(Vec<u32>),
    /// Partitions are somebody else's already: stop, and commit nothing.
    Lost(Vec<u32>),
    /// Entries of a partition in order, at least one and at most [`ENTRIES_MAX`].
    Entries {
        /// The partition.
        partition: u32,
        /// The entries.
        entries: Vec<Entry>,
    },
}

/// A partition that a member reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The partition.
    pub partition: u32,
    /// The first offset that is not settled.
    pub from: u64,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that is kept.
    pub first: u64,
    /// The offset of the next entry that comes.
    pub next: u64,
}

/// Where an entry stands in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
}

/// The first offset of a time in a partition between these bounds, by halves, as its entries stand
/// in the order of their times; after the last one where all are older.
///
/// # Errors
///
/// [`LogError`].
pub async fn first_since(
    log: &dyn Log,
    (topic, partition): (&str, u32),
    since: UnixTime,
    bounds: Bounds,
) -> Result<u64, LogError> {
    let Bounds { first: mut low, next: mut high } = bounds;
    while low < high {
        let middle = low + (high - low) / 2;
        let entries = log.read(topic, partition, middle, 1).await?;
        match entries.first().filter(|entry| entry.time < since) {
            Some(entry) => low = entry.offset + 1,
            None => high = middle,
        }
    }
    Ok(low)
}

/// What is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// Its age counts from here; whole milliseconds.
    pub time: UnixTime,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are events")]
pub enum Body {
    /// An event.
    Event(Event),
    /// Something about events, such as a dead letter: JSON.
    Other {
        /// What it is about.
        key: Option<Arc<str>>,
        /// The JSON.
        value: Bytes,
    },
}

impl Message {
    /// An event on the partition of its key.
    pub fn event(topics: &Topics, topic: &str, event: Event) -> Self {
        let partition = partition_of(&event.partition_key, topics.partitions(topic));
        Self { topic: topic.into(), partition, time: event.time, body: Body::Event(event) }
    }

    /// As [`event`](Self::event), on a topic that is at hand.
    pub fn of(topic: &Topic, event: Event) -> Self {
        let partition = partition_of(&event.partition_key, topic.partitions);
        let (topic, time) = (Arc::clone(&topic.name), event.time);
        Self { topic, partition, time, body: Body::Event(event) }
    }

    /// What a commit emitted, as it stands in an outbox.
    pub fn from_payload(topic: &str, partition: u32, time: UnixTime, payload: Bytes) -> Self {
        let body = match Event::decode(&payload) {
            Ok(event) => Body::Event(event),
            Err(_) => Body::Other { key: None, value: payload },
        };
        Self { topic: topic.into(), partition, time, body }
    }
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// What it was appended with.
    pub time: UnixTime,
    /// What it is about, where the log keeps that apart.
    pub key: Option<Bytes>,
    /// Headers, where the log has them.
    pub headers: Vec<(String, Bytes)>,
    /// The value: an event's data where headers say so, or else the event or whatever it is.
    pub value: Bytes,
}

impl Entry {
    /// The event.
    ///
    /// # Errors
    ///
    /// [`DecodeEventError`]: it is none.
    pub fn event(&self) -> Result<Event, DecodeEventError> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_ref()));
        envelope::from_kafka(headers, &self.value)
    }
}
