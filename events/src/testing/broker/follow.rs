//! Reads the broker in memory as it grows.

use std::sync::Arc;

use super::Broker;
use crate::{Answer, ENTRIES_MAX, Entry, Follower, LogError};

#[derive(Debug)]
pub(super) struct BrokerFollower {
    pub(super) broker: Broker,
    pub(super) topic: String,
    /// By partition, the next offset to read.
    pub(super) next: Vec<u64>,
}

impl BrokerFollower {
    fn look(&mut self) -> Option<Vec<Entry>> {
        let state = self.broker.state.lock();
        let topic = state.topics.get(&self.topic)?;
        for (entries, next) in topic.partitions.iter().zip(&mut self.next) {
            let from = usize::try_from(*next).unwrap_or(usize::MAX);
            let entries: Vec<_> = entries.iter().skip(from).take(ENTRIES_MAX).cloned().collect();
            if let Some(last) = entries.last() {
                *next = last.offset + 1;
                return Some(entries);
            }
        }
        None
    }

    async fn poll(&mut self) -> Result<Vec<Entry>, LogError> {
        loop {
            let changed = Arc::clone(&self.broker.changed);
            let mut changed = std::pin::pin!(changed.notified());
            changed.as_mut().enable();
            if let Some(entries) = self.look() {
                return Ok(entries);
            }
            changed.await;
        }
    }
}

impl Follower for BrokerFollower {
    fn next(&mut self) -> Answer<'_, Vec<Entry>> {
        Box::pin(self.poll())
    }
}
