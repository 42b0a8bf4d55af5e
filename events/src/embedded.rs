//! The log in the embedded store: a topic's partitions are the store's logs, and a group's offsets
//! are the store's, so that a handler's state, what it emits and its offset are one commit.

mod follow;
mod member;

use std::{
    collections::{BTreeSet, HashSet},
    future::ready,
    sync::Arc,
};

use bytes::Bytes;
use headgate_store::{
    Batch, Condition, Content, Done, Error, Key, OPERATIONS_MAX, Operation, Pending, Store,
};
use headgate_types::{Clock, UnixTime};
use parking_lot::Mutex;

use self::{follow::EmbeddedFollower, member::EmbeddedMember};
use crate::{
    error::LogError,
    log::{Answer, Body, Bounds, Entry, Follower, Log, Member, Message, Place},
    topic::{Topic, Topics},
};

/// The space of items that tell how many partitions a topic has.
const SPACE: &str = "hg.topics";
const PARTITIONS: &str = "partitions";
/// A partition has to have so many entries beyond what is kept before a trim is worth a commit.
const BATCH_BYTES: usize = 2 << 20;

/// The log in the embedded store. Clones are handles of the same one.
#[derive(Clone, Debug)]
pub struct EmbeddedLog {
    store: Store,
    topics: Topics,
    clock: Arc<dyn Clock>,
    members: Members,
}

/// Groups and topics that have their member, of which each has one at most.
type Members = Arc<Mutex<HashSet<(String, String)>>>;

impl EmbeddedLog {
    /// A log in a store. The topics say how many partitions there are and what is kept.
    pub fn new(store: Store, topics: Topics, clock: Arc<dyn Clock>) -> Self {
        Self { store, topics, clock, members: Members::default() }
    }

    /// Removes what no topic keeps, a bounded step of each partition, and tells whether there is
    /// more. Nothing goes that a group has not settled yet.
    ///
    /// # Errors
    ///
    /// [`LogError::Unavailable`].
    pub async fn trim(&self) -> Result<bool, LogError> {
        let mut more = false;
        for (name, partition, _) in self.store.logs().map_err(unavailable)? {
            let retention = self.topics.get(&name).retention;
            let groups = self.store.offsets(&name, partition).map_err(unavailable)?;
            let keep = headgate_store::Keep {
                since: retention.age.map(|age| before(self.clock.unix_time(), age)),
                bytes: retention.bytes.map(headgate_types::ByteSize::as_bytes),
                below: groups.into_iter().map(|(_, offset)| offset).min(),
            };
            let ack = self.store.commit(Batch::trim(name, partition, keep)).await;
            let done = ack.map_err(unavailable)?.done;
            more |= done.iter().any(|done| matches!(done, Done::Removed { more: true, .. }));
        }
        Ok(more)
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let item = self.store.get(&key(topic)).map_err(unavailable)?;
        let written = item.and_then(|item| match item.content.attributes.get(PARTITIONS) {
            Some(headgate_store::Scalar::Number(number)) => u32::try_from(*number).ok(),
            _ => None,
        });
        if written.is_some() {
            return Ok(written);
        }
        // A topic that a commit made by its first entry, before anybody asked for it.
        let logs = self.store.logs().map_err(unavailable)?;
        Ok(logs.iter().any(|(name, ..)| name == topic).then(|| self.topics.partitions(topic)))
    }

    async fn ensure_one(&self, topic: &Topic) -> Result<(), LogError> {
        let attributes = [(PARTITIONS.to_owned(), u64::from(topic.partitions).into())].into();
        let content = Content { attributes, ..Content::default() };
        let batch = Batch::new().put(key(&topic.name), content, Condition::Absent);
        match self.store.commit(batch).await {
            Ok(_) => Ok(()),
            Err(Error::Refused(_)) => match self.partitions(&topic.name)? {
                Some(found) if found != topic.partitions => Err(LogError::Differs {
                    topic: topic.name.to_string(),
                    what: "partitions",
                    wanted: topic.partitions,
                    found,
                }),
                _ => Ok(()),
            },
            Err(error) => Err(of_write(error)),
        }
    }

    fn entries(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Result<Vec<Entry>, LogError> {
        let found = self.store.read(topic, partition, from, rows).map_err(unavailable)?;
        Ok(found.into_iter().map(|entry| read(partition, entry)).collect())
    }

    fn all_bounds(&self, topic: &str) -> Result<Option<Vec<Bounds>>, LogError> {
        let Some(partitions) = self.partitions(topic)? else { return Ok(None) };
        let bounds = |partition| {
            let found = self.store.log(topic, partition).map_err(unavailable)?.unwrap_or_default();
            Ok(Bounds { first: found.start, next: found.end })
        };
        (0..partitions).map(bounds).collect::<Result<_, _>>().map(Some)
    }

    fn all_topics(&self) -> Result<Vec<String>, LogError> {
        let mut names = BTreeSet::new();
        let mut after: Option<Bytes> = None;
        loop {
            let page = self.store.scan(SPACE, after.as_deref(), headgate_store::READ_ROWS_MAX);
            let page = page.map_err(unavailable)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            names.extend(page.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()));
        }
        names.extend(self.store.logs().map_err(unavailable)?.into_iter().map(|(name, ..)| name));
        Ok(names.into_iter().collect())
    }

    fn all_offsets(&self, group: &str, topic: &str) -> Result<Vec<Option<u64>>, LogError> {
        let partitions = self.partitions(topic)?.unwrap_or_else(|| self.topics.partitions(topic));
        let offset = |partition| self.store.offset(group, topic, partition).map_err(unavailable);
        (0..partitions).map(offset).collect()
    }

    fn all_groups(&self, topic: &str) -> Result<Vec<String>, LogError> {
        let mut names = BTreeSet::new();
        for partition in 0..self.partitions(topic)?.unwrap_or_default() {
            let groups = self.store.offsets(topic, partition).map_err(unavailable)?;
            names.extend(groups.into_iter().map(|(group, _)| group));
        }
        Ok(names.into_iter().collect())
    }

    async fn append_all(&self, messages: Vec<Message>) -> Result<Vec<Place>, LogError> {
        let mut batches: Vec<(Batch, Vec<u32>)> = vec![(Batch::new(), Vec::new())];
        for message in messages {
            let Message { topic, partition, time, body } = message;
            if partition >= self.topics.partitions(&topic) {
                return Err(LogError::Invalid(format!("{topic} has no partition {partition}")));
            }
            let payload = match body {
                Body::Event(event) => event.encode().map_err(|error| invalid(&error))?,
                Body::Other { value, .. } => value,
            };
            let is_full = batches.last().is_some_and(|(batch, partitions)| {
                partitions.len() >= OPERATIONS_MAX || batch.bytes() >= BATCH_BYTES
            });
            if is_full {
                batches.push((Batch::new(), Vec::new()));
            }
            let Some((batch, partitions)) = batches.last_mut() else { continue };
            *batch = std::mem::take(batch).append(&*topic, partition, time, payload);
            partitions.push(partition);
        }
        let mut sent: Vec<(Pending, Vec<u32>)> = Vec::new();
        for (batch, partitions) in batches.into_iter().filter(|(_, it)| !it.is_empty()) {
            let is_first = sent.is_empty();
            sent.push(match self.store.submit(batch) {
                Ok(pending) => (pending, partitions),
                Err(error) if is_first => return Err(of_write(error)),
                Err(error) => return Err(LogError::InDoubt(error.to_string())),
            });
        }
        let mut places = Vec::new();
        for (pending, partitions) in sent {
            let ack = pending.await.map_err(of_write)?;
            let offsets = ack.done.iter().filter_map(|done| match done {
                Done::Appended { offset } => Some(*offset),
                _ => None,
            });
            let both = partitions.into_iter().zip(offsets);
            places.extend(both.map(|(partition, offset)| Place { partition, offset }));
        }
        Ok(places)
    }

    async fn write(&self, batch: Batch) -> Result<(), LogError> {
        self.store.commit(batch).await.map(|_| ()).map_err(of_write)
    }
}

impl Log for EmbeddedLog {
    fn ensure<'a>(&'a self, topics: &'a [Topic]) -> Answer<'a, ()> {
        Box::pin(async move {
            for topic in topics {
                self.ensure_one(topic).await?;
            }
            Ok(())
        })
    }

    fn append(&self, messages: Vec<Message>) -> Answer<'_, Vec<Place>> {
        Box::pin(self.append_all(messages))
    }

    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(ready(self.entries(topic, partition, from, rows)))
    }

    fn bounds<'a>(&'a self, topic: &'a str) -> Answer<'a, Option<Vec<Bounds>>> {
        Box::pin(ready(self.all_bounds(topic)))
    }

    fn topics(&self) -> Answer<'_, Vec<String>> {
        Box::pin(ready(self.all_topics()))
    }

    fn offsets<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Vec<Option<u64>>> {
        Box::pin(ready(self.all_offsets(group, topic)))
    }

    fn groups<'a>(&'a self, topic: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(ready(self.all_groups(topic)))
    }

    fn reset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
        offset: u64,
    ) -> Answer<'a, ()> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        let reset = Operation::ResetOffset { group, topic, partition, offset };
        Box::pin(self.write(Batch::new().with(reset)))
    }

    fn delete<'a>(&'a self, topic: &'a str) -> Answer<'a, ()> {
        let batch = Batch::new().delete(key(topic), Condition::Always).delete_topic(topic);
        Box::pin(self.write(batch))
    }

    fn join<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Box<dyn Member>> {
        let joined = EmbeddedMember::join(self.clone(), group, topic);
        Box::pin(ready(joined.map(|member| Box::new(member) as Box<dyn Member>)))
    }

    fn follow<'a>(&'a self, topic: &'a str, from: &'a [u64]) -> Answer<'a, Box<dyn Follower>> {
        let follower = EmbeddedFollower::new(self.clone(), topic, from);
        Box::pin(ready(follower.map(|follower| Box::new(follower) as Box<dyn Follower>)))
    }

    fn commit_with(
        &self,
        group: &str,
        topic: &str,
        partition: u32,
        offset: u64,
    ) -> Option<Operation> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        Some(Operation::CommitOffset { group, topic, partition, offset })
    }
}

fn key(topic: &str) -> Key {
    Key::new(SPACE, topic.to_owned())
}

fn read(partition: u32, entry: headgate_store::Entry) -> Entry {
    let headgate_store::Entry { offset, time, payload } = entry;
    Entry { partition, offset, time, key: None, headers: Vec::new(), value: payload }
}

fn before(now: UnixTime, age: std::time::Duration) -> UnixTime {
    UnixTime::from_duration(now.as_duration().saturating_sub(age))
}

fn invalid(error: &headgate_types::InvalidEvent) -> LogError {
    LogError::Invalid(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` asks for")]
fn unavailable(error: Error) -> LogError {
    LogError::Unavailable(error.to_string())
}

/// What a write that failed means.
fn of_write(error: Error) -> LogError {
    match error {
        Error::Busy => LogError::Busy,
        Error::Full => LogError::Full,
        Error::Closed(closed) => LogError::InDoubt(closed.to_string()),
        Error::TooLarge { .. } | Error::Invalid(_) => LogError::Invalid(error.to_string()),
        error => LogError::Unavailable(error.to_string()),
    }
}
