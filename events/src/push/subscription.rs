//! One connection's view of what is pushed to its owner.

use std::{collections::VecDeque, fmt, sync::Arc};

use headgate_idempotency::PUSH_TOPIC;
use parking_lot::Mutex;

use super::{Following, Inner, Lane, Mailbox, Pushed};
use crate::{ENTRIES_MAX, LogError};

/// Gives an owner what is pushed to him, in order and without a gap from where it began.
pub struct Subscription {
    inner: Arc<Inner>,
    lanes: Arc<[Mutex<Lane>]>,
    partition: u32,
    owner: Arc<str>,
    mailbox: Arc<Mailbox>,
    /// Everything below it was given.
    next: u64,
    /// Everything below it was given or stands in `first`.
    read: u64,
    /// What is to be given before the mailbox.
    first: VecDeque<Arc<Pushed>>,
    /// Whether what comes is put into the mailbox.
    is_live: bool,
    /// Whether something was not kept that would have had to be given.
    has_gap: bool,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Something was pushed.
    Pushed(Arc<Pushed>),
    /// What was pushed before this place is not kept any more.
    Gap,
    /// Too much waited: the connection is too slow. Nothing comes any more.
    CutOff,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, next, is_live, .. } = self;
        f.debug_struct("Subscription")
            .field("partition", partition)
            .field("next", next)
            .field("is_live", is_live)
            .finish_non_exhaustive()
    }
}

impl Subscription {
    pub(super) fn new(
        inner: Arc<Inner>,
        (lanes, partition): (Arc<[Mutex<Lane>]>, u32),
        owner: Arc<str>,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        let first = VecDeque::new();
        let (next, read, is_live, has_gap) = (0, 0, false, false);
        Self { inner, lanes, partition, owner, mailbox, next, read, first, is_live, has_gap }
    }

    /// Finds where it begins.
    pub(super) async fn begin(&mut self, from: Following) -> Result<(), LogError> {
        let Some((recent_from, next)) = self.with_lane(|lane| (lane.recent_from(), lane.next()))
        else {
            return Ok(());
        };
        self.next = match from {
            Following::Now => next,
            Following::From(from) if from >= recent_from && from <= next => from,
            Following::From(from) => {
                let bounds = self.inner.log.bounds(PUSH_TOPIC).await?.unwrap_or_default();
                let at = usize::try_from(self.partition).unwrap_or(usize::MAX);
                let bounds = bounds.get(at).copied().unwrap_or_default();
                // A place that the log has not come to is another log's.
                let is_kept = from >= bounds.first && from <= bounds.next;
                self.has_gap = !is_kept && from > 0;
                if is_kept { from } else { bounds.first }
            }
        };
        self.read = self.next;
        Ok(())
    }

    /// Everything below this place was given: whoever begins here again misses nothing.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Waits for what comes next.
    ///
    /// # Errors
    ///
    /// [`LogError`]: the log gives no answer. It may be asked again.
    ///
    /// # Cancel safety
    ///
    /// A wait that is given up takes nothing with it.
    pub async fn next(&mut self) -> Result<Next, LogError> {
        if std::mem::take(&mut self.has_gap) {
            return Ok(Next::Gap);
        }
        loop {
            if let Some(pushed) = self.first.pop_front() {
                return Ok(self.give(pushed));
            }
            self.next = self.next.max(self.read);
            if !self.is_live {
                self.catch_up().await?;
                continue;
            }
            match self.mailbox.next().await {
                // This node came to it later than the one where the connection was before.
                Some(pushed) if pushed.position < self.next => {}
                Some(pushed) => return Ok(self.give(pushed)),
                None => return Ok(Next::CutOff),
            }
        }
    }

    fn give(&mut self, pushed: Arc<Pushed>) -> Next {
        self.next = pushed.position + 1;
        Next::Pushed(pushed)
    }

    /// Comes nearer to what is in memory, and joins there.
    async fn catch_up(&mut self) -> Result<(), LogError> {
        let (owner, mailbox) = (Arc::clone(&self.owner), Arc::clone(&self.mailbox));
        let from = self.read;
        if let Some(first) = self.with_lane(|lane| lane.join(&owner, from, &mailbox)).flatten() {
            (self.first, self.is_live) = (first, true);
            return Ok(());
        }
        let Inner { log, readers, .. } = &*self.inner;
        // Never closed.
        let _reading = readers.acquire().await;
        let entries = log.read(PUSH_TOPIC, self.partition, from, ENTRIES_MAX).await?;
        // Nothing is there below what is in memory: it was trimmed meanwhile.
        let next = entries.last().map(|entry| entry.offset + 1);
        let next = next.or_else(|| self.with_lane(|lane| lane.recent_from()));
        let ours = entries.iter().filter_map(Pushed::of).filter(|it| it.owner == self.owner);
        self.first = ours.map(Arc::new).collect();
        self.read = next.unwrap_or(from);
        Ok(())
    }

    fn with_lane<T>(&self, act: impl FnOnce(&mut Lane) -> T) -> Option<T> {
        let at = usize::try_from(self.partition).unwrap_or(usize::MAX);
        self.lanes.get(at).map(|lane| act(&mut lane.lock()))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.is_live {
            self.with_lane(|lane| lane.leave(&self.owner, &self.mailbox));
        }
    }
}
