//! Waking those who wait for entries of a topic.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use crate::{batch::Batch, committer::Queue, error::Error, pending::block_on};

/// Subscriptions of one store at most.
pub const SUBSCRIPTIONS_MAX: usize = 65_536;

/// Tells of appends to a topic, in all its partitions, and of its deletion.
///
/// Whoever subscribes, then reads, and waits when there was nothing to read, misses nothing: what
/// is durable after the read began makes the wait end.
pub struct Subscription {
    topic: String,
    signal: Arc<Signal>,
    queue: Arc<Queue>,
}

/// Everyone who waits for a topic.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// How many there are, so that a store without any pays one look.
    count: AtomicUsize,
    topics: Mutex<HashMap<String, Vec<Arc<Signal>>>>,
}

#[derive(Debug, Default)]
struct Signal {
    /// Something happened since the last wait ended.
    told: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Subscription {
    pub(crate) fn new(queue: &Arc<Queue>, topic: &str) -> Result<Self, Error> {
        let signal = queue.subscriptions.add(topic)?;
        let this = Self { topic: topic.to_owned(), signal, queue: Arc::clone(queue) };
        // Asked last: a store that closes from here on tells this subscription too.
        match this.queue.closed() {
            Some(closed) => Err(Error::Closed(closed)),
            None => Ok(this),
        }
    }

    /// Waits until the topic has changed since the last wait ended, or since the subscription.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the store is closed, also while this waits.
    ///
    /// # Cancel safety
    ///
    /// A wait that is given up takes nothing with it: the next one ends for the same change.
    pub async fn changed(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.poll_changed(context)).await
    }

    /// As [`changed`](Self::changed), but blocks the thread. Not for async code.
    ///
    /// # Errors
    ///
    /// As [`changed`](Self::changed).
    pub fn wait(&mut self) -> Result<(), Error> {
        block_on(self.changed())
    }

    fn poll_changed(&self, context: &Context<'_>) -> Poll<Result<(), Error>> {
        let mut waker = self.signal.waker.lock();
        // Asked under the lock that the other side takes after it has told.
        if self.signal.told.swap(false, Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        if let Some(closed) = self.queue.closed() {
            return Poll::Ready(Err(Error::Closed(closed)));
        }
        *waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, signal, queue: _ } = self;
        f.debug_struct("Subscription").field("topic", topic).field("signal", signal).finish()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.queue.subscriptions.remove(&self.topic, &self.signal);
    }
}

impl Subscriptions {
    fn add(&self, topic: &str) -> Result<Arc<Signal>, Error> {
        let mut topics = self.topics.lock();
        let size = self.count.load(Ordering::Relaxed) + 1;
        if size > SUBSCRIPTIONS_MAX {
            let what = "the store's subscriptions";
            return Err(Error::TooLarge { what, size, max: SUBSCRIPTIONS_MAX });
        }
        let signal = Arc::<Signal>::default();
        topics.entry(topic.to_owned()).or_default().push(Arc::clone(&signal));
        self.count.store(size, Ordering::SeqCst);
        // Either a read from here on sees a commit, or that commit's thread sees the count.
        fence(Ordering::SeqCst);
        Ok(signal)
    }

    fn remove(&self, topic: &str, signal: &Arc<Signal>) {
        let mut topics = self.topics.lock();
        let Some(signals) = topics.get_mut(topic) else { return };
        signals.retain(|other| !Arc::ptr_eq(other, signal));
        if signals.is_empty() {
            topics.remove(topic);
        }
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    /// Tells of what batches did that every read sees by now.
    pub(crate) fn tell<'a>(&self, batches: impl Iterator<Item = &'a Batch>) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut wakers = Vec::new();
        let topics = self.topics.lock();
        for operation in batches.flat_map(Batch::operations) {
            let signals = operation.tells().and_then(|topic| topics.get(topic));
            for signal in signals.into_iter().flatten() {
                // Who is told already and has not looked yet is on the way.
                if !signal.told.swap(true, Ordering::SeqCst) {
                    wakers.extend(signal.waker.lock().take());
                }
            }
        }
        drop(topics);
        // Woken without the locks, which the other side takes at once.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Wakes everyone: the store is closed, and they ask it why.
    pub(crate) fn close(&self) {
        let mut wakers = Vec::new();
        for signal in self.topics.lock().values().flatten() {
            wakers.extend(signal.waker.lock().take());
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests;
