//! A member of a group of the broker in memory.

use std::{collections::BTreeMap, future::ready, sync::Arc};

use super::{Broker, Group};
use crate::{Answer, Assigned, ENTRIES_MAX, LogError, Member, Polled};

/// Where a member stands in a partition.
#[derive(Debug)]
pub(super) struct Reading {
    next: u64,
    is_paused: bool,
}

#[derive(Debug)]
pub(super) struct BrokerMember {
    pub(super) broker: Broker,
    pub(super) name: (String, String),
    pub(super) id: u64,
    pub(super) read: BTreeMap<u32, Reading>,
}

impl BrokerMember {
    fn look(&mut self) -> Result<Option<Polled>, LogError> {
        let mut state = self.broker.state.lock();
        let group = state.groups.get_mut(&self.name);
        let member = group.and_then(|group| group.members.get_mut(&self.id));
        let gone = || LogError::Unavailable("the group is gone".to_owned());
        let news = member.ok_or_else(gone)?.news.pop_front();
        match &news {
            Some(Polled::Assigned(assigned)) => {
                let reading =
                    |it: &Assigned| (it.partition, Reading { next: it.from, is_paused: false });
                self.read.extend(assigned.iter().map(reading));
            }
            Some(Polled::Revoked(partitions) | Polled::Lost(partitions)) => {
                self.read.retain(|partition, _| !partitions.contains(partition));
            }
            _ => {}
        }
        if news.is_some() {
            return Ok(news);
        }
        let topic = state.topics.get(&self.name.1).ok_or_else(gone)?;
        for (partition, reading) in self.read.iter_mut().filter(|(_, it)| !it.is_paused) {
            let entries = topic.partitions.get(*partition as usize).into_iter().flatten();
            let from = usize::try_from(reading.next).unwrap_or(usize::MAX);
            let entries: Vec<_> = entries.skip(from).take(ENTRIES_MAX).cloned().collect();
            if let Some(last) = entries.last() {
                reading.next = last.offset + 1;
                return Ok(Some(Polled::Entries { partition: *partition, entries }));
            }
        }
        Ok(None)
    }

    async fn poll(&mut self) -> Result<Polled, LogError> {
        loop {
            let changed = Arc::clone(&self.broker.changed);
            let mut changed = std::pin::pin!(changed.notified());
            changed.as_mut().enable();
            if let Some(polled) = self.look()? {
                return Ok(polled);
            }
            changed.await;
        }
    }

    fn with_group<T>(&self, act: impl FnOnce(&mut Group, usize) -> T) -> Option<T> {
        let mut state = self.broker.state.lock();
        let partitions = state.topics.get(&self.name.1)?.partitions.len();
        Some(act(state.groups.get_mut(&self.name)?, partitions))
    }

    fn set_paused(&mut self, partition: u32, is_paused: bool) {
        if let Some(reading) = self.read.get_mut(&partition) {
            reading.is_paused = is_paused;
        }
    }
}

impl Member for BrokerMember {
    fn next(&mut self) -> Answer<'_, Polled> {
        Box::pin(self.poll())
    }

    fn pause(&mut self, partition: u32) {
        self.set_paused(partition, true);
    }

    fn resume(&mut self, partition: u32) {
        self.set_paused(partition, false);
    }

    fn commit<'a>(&'a mut self, offsets: &'a [(u32, u64)]) -> Answer<'a, ()> {
        let id = self.id;
        self.with_group(|group, _| {
            for (partition, offset) in offsets {
                if group.owners.get(partition) == Some(&id) {
                    let committed = group.offsets.entry(*partition).or_default();
                    *committed = (*committed).max(*offset);
                }
            }
        });
        Box::pin(ready(Ok(())))
    }

    fn release<'a>(&'a mut self, partitions: &'a [u32]) -> Answer<'a, ()> {
        let id = self.id;
        self.with_group(|group, all| {
            let Some(member) = group.members.get_mut(&id) else { return };
            member.revoked.retain(|partition| !partitions.contains(partition));
            let members: Vec<u64> =
                group.members.keys().copied().filter(|other| *other != id).collect();
            let mut given: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
            for partition in partitions {
                if group.owners.get(partition) != Some(&id) {
                    continue;
                }
                group.owners.remove(partition);
                if !members.is_empty()
                    && let Some(next) = members.get(*partition as usize % members.len())
                {
                    group.owners.insert(*partition, *next);
                    given.entry(*next).or_default().push(*partition);
                }
            }
            group.give(given);
            group.deal_free(all);
        });
        self.broker.changed.notify_waiters();
        Box::pin(ready(Ok(())))
    }
}

impl Drop for BrokerMember {
    fn drop(&mut self) {
        let id = self.id;
        self.with_group(|group, partitions| {
            group.members.remove(&id);
            group.owners.retain(|_, owner| *owner != id);
            group.deal_free(partitions);
        });
        self.broker.changed.notify_waiters();
    }
}
