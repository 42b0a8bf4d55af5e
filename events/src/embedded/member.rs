//! A group's one member on the embedded log: all partitions are its own, for as long as it lives.

use std::future::ready;

use headgate_store::{Batch, Operation, Pending, Subscription};

use super::{EmbeddedLog, Members, of_write, unavailable};
use crate::{
    error::LogError,
    log::{Answer, Assigned, ENTRIES_MAX, Entry, Member, Polled},
};

#[derive(Debug)]
pub(super) struct EmbeddedMember {
    log: EmbeddedLog,
    place: Taken,
    subscription: Subscription,
    partitions: Vec<Partition>,
    /// Whether there was nothing to read at the last look, and nothing has come since.
    is_dry: bool,
    is_assigned: bool,
    /// The partition that is looked at first, so that none starves.
    turn: usize,
    /// The last commit that is on its way.
    sent: Option<Pending>,
}

#[derive(Debug)]
struct Partition {
    from: u64,
    next: u64,
    is_paused: bool,
}

/// A group's right to have a member, given back at its end.
#[derive(Debug)]
struct Taken {
    members: Members,
    name: (String, String),
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.members.lock().remove(&self.name);
    }
}

impl EmbeddedMember {
    pub(super) fn join(log: EmbeddedLog, group: &str, topic: &str) -> Result<Self, LogError> {
        let name = (group.to_owned(), topic.to_owned());
        if !log.members.lock().insert(name.clone()) {
            return Err(LogError::Invalid(format!("{group} reads {topic} already")));
        }
        let place = Taken { members: log.members.clone(), name };
        let subscription = log.store.subscribe(topic).map_err(unavailable)?;
        let bounds = log.all_bounds(topic)?;
        let bounds = bounds.ok_or_else(|| LogError::Invalid(format!("there is no {topic}")))?;
        let offsets = log.all_offsets(group, topic)?;
        let partitions = bounds.iter().zip(offsets).map(|(bounds, offset)| {
            let from = offset.unwrap_or_default().max(bounds.first);
            Partition { from, next: from, is_paused: false }
        });
        let partitions = partitions.collect();
        let (is_dry, is_assigned) = (false, false);
        Ok(Self { log, place, subscription, partitions, is_dry, is_assigned, turn: 0, sent: None })
    }

    /// The next entries of a partition that is not paused.
    fn look(&mut self) -> Result<Option<Polled>, LogError> {
        let (_, topic) = &self.place.name;
        for step in 0..self.partitions.len() {
            let at = (self.turn + step) % self.partitions.len();
            let Some(partition) = self.partitions.get_mut(at) else { continue };
            if partition.is_paused {
                continue;
            }
            let number = u32::try_from(at).unwrap_or(u32::MAX);
            let entries = self.log.entries(topic, number, partition.next, ENTRIES_MAX)?;
            let Some(Entry { offset, .. }) = entries.last() else { continue };
            partition.next = offset + 1;
            self.turn = at + 1;
            return Ok(Some(Polled::Entries { partition: number, entries }));
        }
        Ok(None)
    }

    async fn poll(&mut self) -> Result<Polled, LogError> {
        if !self.is_assigned {
            self.is_assigned = true;
            let all = (0..).zip(&self.partitions);
            let all = all.map(|(partition, it)| Assigned { partition, from: it.from });
            return Ok(Polled::Assigned(all.collect()));
        }
        // Whoever asks gives up and asks again with each delivery that ends, so that a look each
        // time would cost more than the deliveries.
        loop {
            if !self.is_dry {
                if let Some(polled) = self.look()? {
                    return Ok(polled);
                }
                self.is_dry = true;
            }
            // Whatever came since the look ends this at once.
            self.subscription.changed().await.map_err(unavailable)?;
            self.is_dry = false;
        }
    }

    fn send(&mut self, offsets: &[(u32, u64)]) -> Result<(), LogError> {
        let (group, topic) = &self.place.name;
        let batch = offsets.iter().fold(Batch::new(), |batch, (partition, offset)| {
            batch.with(Operation::CommitOffset {
                group: group.clone(),
                topic: topic.clone(),
                partition: *partition,
                offset: *offset,
            })
        });
        if !offsets.is_empty() {
            self.sent = Some(self.log.store.submit(batch).map_err(of_write)?);
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), LogError> {
        // Batches of one task take effect in order, so the last tells for all.
        let Some(sent) = self.sent.take() else { return Ok(()) };
        sent.await.map(|_| ()).map_err(of_write)
    }

    fn set_paused(&mut self, partition: u32, is_paused: bool) {
        let at = usize::try_from(partition).unwrap_or(usize::MAX);
        if let Some(partition) = self.partitions.get_mut(at) {
            partition.is_paused = is_paused;
            self.is_dry &= is_paused;
        }
    }
}

impl Member for EmbeddedMember {
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
        Box::pin(ready(self.send(offsets)))
    }

    fn release<'a>(&'a mut self, _partitions: &'a [u32]) -> Answer<'a, ()> {
        Box::pin(self.settle())
    }
}
