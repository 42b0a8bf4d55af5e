//! Reads the embedded log as it grows, without a group.

use headgate_store::Subscription;

use super::{EmbeddedLog, unavailable};
use crate::{
    error::LogError,
    log::{Answer, ENTRIES_MAX, Entry, Follower},
};

#[derive(Debug)]
pub(super) struct EmbeddedFollower {
    log: EmbeddedLog,
    topic: String,
    subscription: Subscription,
    /// By partition, the next offset to read.
    next: Vec<u64>,
    /// The partition that is looked at first, so that none starves.
    turn: usize,
}

impl EmbeddedFollower {
    pub(super) fn new(log: EmbeddedLog, topic: &str, from: &[u64]) -> Result<Self, LogError> {
        let subscription = log.store.subscribe(topic).map_err(unavailable)?;
        let (topic, next) = (topic.to_owned(), from.to_vec());
        Ok(Self { log, topic, subscription, next, turn: 0 })
    }

    fn look(&mut self) -> Result<Option<Vec<Entry>>, LogError> {
        let count = self.next.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let Some(next) = self.next.get_mut(at) else { continue };
            let number = u32::try_from(at).unwrap_or(u32::MAX);
            let entries = self.log.entries(&self.topic, number, *next, ENTRIES_MAX)?;
            let Some(last) = entries.last() else { continue };
            *next = last.offset + 1;
            self.turn = at + 1;
            return Ok(Some(entries));
        }
        Ok(None)
    }

    async fn poll(&mut self) -> Result<Vec<Entry>, LogError> {
        loop {
            if let Some(entries) = self.look()? {
                return Ok(entries);
            }
            // Whatever came since the look ends this at once.
            self.subscription.changed().await.map_err(unavailable)?;
        }
    }
}

impl Follower for EmbeddedFollower {
    fn next(&mut self) -> Answer<'_, Vec<Entry>> {
        Box::pin(self.poll())
    }
}
