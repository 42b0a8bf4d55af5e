//! Reads a topic of one partition whole: what stands there, and then what comes.

use std::{fmt, sync::Arc};

use crate::{
    ENTRIES_MAX, LogError,
    log::{Entry, Follower, Log},
    topic::Topic,
};

/// Reads a topic of one partition from an offset on, for whoever folds it.
pub struct Tail {
    log: Arc<dyn Log>,
    topic: Topic,
    next: u64,
    /// Where the topic ended when it was opened.
    end: u64,
    is_caught_up: bool,
    follower: Option<Box<dyn Follower>>,
}

/// What comes next of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tailed {
    /// Entries in order, at least one.
    Entries(Vec<Entry>),
    /// All that stood in the topic when it was opened is read. Told once, with the offset that
    /// comes next; what follows is entries as they come.
    CaughtUp(u64),
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (topic, next) = (&self.topic.name, self.next);
        f.debug_struct("Tail").field("topic", topic).field("next", &next).finish_non_exhaustive()
    }
}

impl Tail {
    /// Opens a topic, which is made if there is none. Below the first offset that is kept, reading
    /// starts there.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn open(log: Arc<dyn Log>, topic: Topic, from: u64) -> Result<Self, LogError> {
        log.ensure(std::slice::from_ref(&topic)).await?;
        let bounds = log.bounds(&topic.name).await?.unwrap_or_default();
        let bounds = bounds.first().copied().unwrap_or_default();
        let (next, end) = (from.max(bounds.first), bounds.next);
        Ok(Self { log, topic, next, end, is_caught_up: false, follower: None })
    }

    /// What comes next; waits for it once all that stood there is read.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    ///
    /// # Cancel safety
    ///
    /// A wait that is given up takes nothing with it.
    pub async fn next(&mut self) -> Result<Tailed, LogError> {
        while self.next < self.end {
            let entries = self.log.read(&self.topic.name, 0, self.next, ENTRIES_MAX).await?;
            // What is gone or takes an offset without being an entry ends the page.
            self.next = entries.last().map_or(self.end, |last| last.offset + 1);
            if !entries.is_empty() {
                return Ok(Tailed::Entries(entries));
            }
        }
        if !self.is_caught_up {
            self.is_caught_up = true;
            return Ok(Tailed::CaughtUp(self.next));
        }
        if self.follower.is_none() {
            self.follower = Some(self.log.follow(&self.topic.name, &[self.next]).await?);
        }
        let Some(follower) = &mut self.follower else { return Ok(Tailed::CaughtUp(self.next)) };
        let entries = follower.next().await?;
        self.next = entries.last().map_or(self.next, |last| last.offset + 1);
        Ok(Tailed::Entries(entries))
    }
}

#[cfg(test)]
mod tests;
