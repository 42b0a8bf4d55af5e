//! A member of a group: a thread that polls, and what it hands over.

mod poll;
mod rebalance;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode as Code,
};
use tokio::sync::mpsc;

use self::{poll::Poller, rebalance::Rebalances};
use super::{Inner, client, failure};
use crate::{
    error::LogError,
    log::{Answer, Assigned, Member, Polled},
};

/// What may wait to be taken by [`Member::next`]; beyond that nothing is polled.
const POLLED_MAX: usize = 4;

/// A member of a group.
pub(super) struct KafkaMember {
    group: Arc<str>,
    topic: Arc<str>,
    consumer: Arc<BaseConsumer<Rebalances>>,
    polled: mpsc::Receiver<Result<Polled, LogError>>,
    /// By partition that is this member's: up to where it has committed.
    committed: BTreeMap<u32, u64>,
    paused: BTreeSet<u32>,
    /// Entries of partitions that were paused when they came, a few at most.
    held: VecDeque<Polled>,
    number: u32,
    inner: Arc<Inner>,
}

impl fmt::Debug for KafkaMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaMember")
            .field("group", &self.group)
            .field("topic", &self.topic)
            .field("committed", &self.committed)
            .finish_non_exhaustive()
    }
}

impl KafkaMember {
    /// Begins to join; the first [`Polled::Assigned`] tells that it is done.
    ///
    /// # Errors
    ///
    /// [`LogError::Invalid`]: the client does not take the group or the topic.
    pub(super) fn join(inner: Arc<Inner>, group: &str, topic: &str) -> Result<Self, LogError> {
        let group: Arc<str> = group.into();
        let topic: Arc<str> = topic.into();
        let number = first_free(&inner, &group);
        let instance = inner.settings.instance.as_ref().map(|name| format!("{name}-{number}"));
        let context = Rebalances::new(Arc::clone(&topic), inner.settings.request_timeout);
        let made = client::member(&inner.settings, &group, instance, context);
        let (send, polled) = mpsc::channel(POLLED_MAX);
        let joined = made.and_then(|consumer| {
            consumer.subscribe(&[&topic]).map_err(|error| failure::of(&error))?;
            let consumer = Arc::new(consumer);
            Poller::start(Arc::clone(&consumer), send).map(|()| consumer)
        });
        let consumer = joined.inspect_err(|_| give_back(&inner, &group, number))?;
        Ok(Self {
            group,
            topic,
            consumer,
            polled,
            committed: BTreeMap::new(),
            paused: BTreeSet::new(),
            held: VecDeque::new(),
            number,
            inner,
        })
    }

    /// What was held back, and need not be any more.
    fn resumed(&mut self) -> Option<Polled> {
        let at = self.held.iter().position(|polled| !self.is_paused(polled))?;
        self.held.remove(at)
    }

    fn is_paused(&self, polled: &Polled) -> bool {
        matches!(polled, Polled::Entries { partition, .. } if self.paused.contains(partition))
    }

    /// Keeps the account of what is this member's.
    fn note(&mut self, polled: &Polled) {
        match polled {
            Polled::Assigned(assigned) => {
                for Assigned { partition, from } in assigned {
                    self.committed.insert(*partition, *from);
                    self.paused.remove(partition);
                }
            }
            Polled::Lost(partitions) => self.forget(partitions),
            // Still this member's until it lets them go, but no more entries come of them.
            Polled::Revoked(partitions) => self.drop_held(partitions),
            Polled::Entries { .. } => {}
        }
    }

    fn forget(&mut self, partitions: &[u32]) {
        for partition in partitions {
            self.committed.remove(partition);
            self.paused.remove(partition);
        }
        self.drop_held(partitions);
    }

    fn drop_held(&mut self, partitions: &[u32]) {
        self.held.retain(|polled| match polled {
            Polled::Entries { partition, .. } => !partitions.contains(partition),
            _ => true,
        });
    }

    fn list(&self, offsets: impl IntoIterator<Item = (u32, u64)>) -> Result<Offsets, LogError> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            let partition = i32::try_from(partition).unwrap_or(i32::MAX);
            let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
            let added = list.add_partition_offset(&self.topic, partition, offset);
            added.map_err(|error| failure::of(&error))?;
        }
        Ok(list)
    }

    fn one(&self, partition: u32) -> Offsets {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, i32::try_from(partition).unwrap_or(i32::MAX));
        list
    }

    async fn let_go(&mut self, partitions: &[u32]) -> Result<(), LogError> {
        let list = self.list(self.committed.iter().map(|(at, offset)| (*at, *offset)))?;
        let consumer = Arc::clone(&self.consumer);
        let released = partitions.to_vec();
        let done = tokio::task::spawn_blocking(move || {
            let stored = commit(&consumer, &list);
            // Whoever is next must not wait for a commit that can't be made.
            let released = consumer.context().release(&consumer, &released);
            stored.and(released)
        });
        let done = done.await.map_err(|error| LogError::Unavailable(error.to_string()))?;
        self.forget(partitions);
        done.map_err(|error| failure::of(&error))
    }
}

type Offsets = TopicPartitionList;

/// Makes offsets durable.
fn commit(consumer: &BaseConsumer<Rebalances>, offsets: &Offsets) -> KafkaResult<()> {
    if offsets.count() == 0 {
        return Ok(());
    }
    match consumer.commit(offsets, CommitMode::Sync) {
        // None is newer than what is committed.
        Err(KafkaError::ConsumerCommit(Code::NoOffset)) => Ok(()),
        done => done,
    }
}

impl Member for KafkaMember {
    fn next(&mut self) -> Answer<'_, Polled> {
        Box::pin(async {
            loop {
                if let Some(polled) = self.resumed() {
                    return Ok(polled);
                }
                let gone = || Err(LogError::Unavailable("the member has left".to_owned()));
                let polled = self.polled.recv().await.unwrap_or_else(gone)?;
                self.note(&polled);
                if self.is_paused(&polled) {
                    self.held.push_back(polled);
                } else {
                    return Ok(polled);
                }
            }
        })
    }

    fn pause(&mut self, partition: u32) {
        if self.committed.contains_key(&partition) && self.paused.insert(partition) {
            let done = self.consumer.pause(&self.one(partition));
            // What comes all the same is held here.
            done.unwrap_or_else(|error| tracing::debug!(%error, "a partition is not paused"));
        }
    }

    fn resume(&mut self, partition: u32) {
        if self.paused.remove(&partition) {
            let done = self.consumer.resume(&self.one(partition));
            done.unwrap_or_else(|error| tracing::warn!(%error, "a partition is not resumed"));
        }
    }

    fn commit<'a>(&'a mut self, offsets: &'a [(u32, u64)]) -> Answer<'a, ()> {
        let mut newer = Vec::new();
        for (partition, offset) in offsets {
            if let Some(committed) = self.committed.get_mut(partition)
                && *committed < *offset
            {
                *committed = *offset;
                newer.push((*partition, *offset));
            }
        }
        let stored = self.list(newer).and_then(|list| match self.consumer.store_offsets(&list) {
            // Not ours any more, which the next poll tells.
            Err(KafkaError::StoreOffset(Code::State | Code::UnknownPartition)) => Ok(()),
            done => done.map_err(|error| failure::of(&error)),
        });
        Box::pin(std::future::ready(stored))
    }

    fn release<'a>(&'a mut self, partitions: &'a [u32]) -> Answer<'a, ()> {
        Box::pin(self.let_go(partitions))
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        // The thread waits until it is the last one that has the consumer.
        self.consumer.context().begin_closing();
        give_back(&self.inner, &self.group, self.number);
    }
}

fn first_free(inner: &Inner, group: &Arc<str>) -> u32 {
    let mut members = inner.members.lock();
    let taken = members.entry(Arc::clone(group)).or_default();
    // One of so many and one more is free.
    let more = u32::try_from(taken.len()).unwrap_or(u32::MAX);
    let number = (0..=more).find(|number| !taken.contains(number)).unwrap_or(more);
    taken.insert(number);
    number
}

fn give_back(inner: &Inner, group: &Arc<str>, number: u32) {
    if let Some(taken) = inner.members.lock().get_mut(group) {
        taken.remove(&number);
    }
}
