//! The handle: opens a folder, submits batches to the committer, reads past it.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use headgate_types::UnixTime;

use crate::{
    batch::{Ack, Batch, named},
    committer::{self, Queue},
    engine::{Due, Engine, Entry, Failure, LogBounds, Size},
    error::{Closed, Error},
    folder::Folder,
    item::{Item, Key},
    pending::Pending,
    settings::Settings,
    subscription::Subscription,
};

/// An open store. Clones are handles of the same one; the last to go closes it, after everything
/// that was submitted is carried out.
///
/// Submitting never waits for the disk. Reads run on the caller's thread, and wait for the disk
/// when what they read is not in memory.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: Arc<Queue>,
    engine: Arc<dyn Engine>,
    committer: Option<JoinHandle<()>>,
    // Given back last, when nothing touches the file any more.
    _folder: Option<Folder>,
}

/// What happened since the store was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Batches that were acknowledged.
    pub acknowledged: u64,
    /// Batches that were refused: a condition did not hold, or the disk is full.
    pub refused: u64,
    /// Groups that were made durable, each with one commit.
    pub groups: u64,
    /// Batches that found the queue full.
    pub busy: u64,
    /// Batches that wait.
    pub waiting: usize,
    /// Why the store is closed; none while it is open.
    pub closed: Option<Closed>,
}

impl Store {
    /// Opens the store in a folder, or makes both. After a crash this recovers: it takes moments
    /// for a small file, and about a second a GiB for one above
    /// [`quick_repair_below`](Settings::quick_repair_below).
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when the folder is open already, [`Error::Damaged`], [`Error::Format`],
    /// and [`Error::Open`] for what the operating system says.
    pub fn open(folder: &Path, settings: &Settings) -> Result<Self, Error> {
        let folder = Folder::lock(folder)?;
        let engine = folder.open(settings)?;
        Self::start(Arc::new(engine), settings, Some(folder))
    }

    /// Puts a store in front of an engine.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when the committer's thread can't be started.
    pub fn with_engine(engine: Arc<dyn Engine>, settings: &Settings) -> Result<Self, Error> {
        Self::start(engine, settings, None)
    }

    fn start(
        engine: Arc<dyn Engine>,
        settings: &Settings,
        folder: Option<Folder>,
    ) -> Result<Self, Error> {
        let queue = Arc::new(Queue::new(settings));
        let (for_thread, written) = (Arc::clone(&queue), Arc::clone(&engine));
        let committer = thread::Builder::new()
            .name("store-committer".to_owned())
            .spawn(move || committer::run(&for_thread, &*written))
            .map_err(|source| Error::Open { folder: "".into(), source })?;
        let committer = Some(committer);
        Ok(Self { inner: Arc::new(Inner { queue, engine, committer, _folder: folder }) })
    }

    /// Hands a batch to the committer. What comes back is awaited for the acknowledgement; batches
    /// that one thread submits take effect in that order, trims and sweeps aside.
    ///
    /// # Errors
    ///
    /// At once: [`Error::TooLarge`], [`Error::Invalid`], [`Error::Busy`] and [`Error::Closed`].
    /// With the answer: [`Error::Refused`], [`Error::Full`], [`Error::Invalid`] and
    /// [`Error::Closed`], after which the batch may have been carried out or not.
    pub fn submit(&self, batch: Batch) -> Result<Pending, Error> {
        batch.validate()?;
        self.inner.queue.submit(batch)
    }

    /// Submits a batch and awaits its acknowledgement.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    ///
    /// # Cancel safety
    ///
    /// A batch whose answer is no longer awaited is carried out all the same.
    pub async fn commit(&self, batch: Batch) -> Result<Ack, Error> {
        self.submit(batch)?.await
    }

    /// Tells of appends to a topic from here on, and of its deletion. The topic need not be there.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::Invalid`] for a name that is empty, [`Error::TooLarge`] for one
    /// that is too long and above [`SUBSCRIPTIONS_MAX`](crate::SUBSCRIPTIONS_MAX).
    pub fn subscribe(&self, topic: &str) -> Result<Subscription, Error> {
        named(topic)?;
        Subscription::new(&self.inner.queue, topic)
    }

    /// The item of a key.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`]: the store is closed, or this read found damage and closed it. So have
    /// the other reads.
    pub fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        self.read_with(|engine| engine.get(key))
    }

    /// Items of a space in the order of their keys, from the first key above `after`, at most
    /// [`READ_ROWS_MAX`](crate::READ_ROWS_MAX).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn scan(
        &self,
        space: &str,
        after: Option<&[u8]>,
        rows: usize,
    ) -> Result<Vec<(Bytes, Item)>, Error> {
        self.read_with(|engine| engine.scan(space, after, rows))
    }

    /// Where a partition begins and ends. None: nothing was ever appended.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn log(&self, topic: &str, partition: u32) -> Result<Option<LogBounds>, Error> {
        self.read_with(|engine| engine.log(topic, partition))
    }

    /// Entries of a partition from an offset on, in order, at most
    /// [`READ_ROWS_MAX`](crate::READ_ROWS_MAX). Below the first kept entry, reading starts there.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.read_with(|engine| engine.read(topic, partition, from, rows))
    }

    /// A consumer group's offset: the next one to read. None: it never committed one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn offset(&self, group: &str, topic: &str, partition: u32) -> Result<Option<u64>, Error> {
        self.read_with(|engine| engine.offset(group, topic, partition))
    }

    /// Every partition that has had an entry, by topic and number: what retention goes through.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn logs(&self) -> Result<Vec<(String, u32, LogBounds)>, Error> {
        self.read_with(|engine| engine.logs())
    }

    /// The offsets of all consumer groups of a partition, by group, at most
    /// [`READ_ROWS_MAX`](crate::READ_ROWS_MAX): their least is what a trim must not pass.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn offsets(&self, topic: &str, partition: u32) -> Result<Vec<(String, u64)>, Error> {
        self.read_with(|engine| engine.offsets(topic, partition))
    }

    /// Entries of a delay queue that are due at `now`, the longest due first, at most
    /// [`READ_ROWS_MAX`](crate::READ_ROWS_MAX).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn due(&self, queue: &str, now: UnixTime, rows: usize) -> Result<Vec<Due>, Error> {
        self.read_with(|engine| engine.due(queue, now, rows))
    }

    /// Reads everything once, so that damage shows. Costs a read of the whole file.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn verify(&self) -> Result<(), Error> {
        self.read_with(|engine| engine.verify())
    }

    /// How much space the store takes and finds.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn size(&self) -> Result<Size, Error> {
        self.read_with(|engine| engine.size())
    }

    /// What happened since the store was opened; also told when it is closed.
    pub fn stats(&self) -> Stats {
        let counters = &self.inner.queue.counters;
        Stats {
            acknowledged: counters.acknowledged.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            groups: counters.groups.load(Ordering::Relaxed),
            busy: counters.busy.load(Ordering::Relaxed),
            waiting: self.inner.queue.depth(),
            closed: self.inner.queue.closed(),
        }
    }

    fn read_with<T>(
        &self,
        read: impl FnOnce(&dyn Engine) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        if let Some(closed) = self.inner.queue.closed() {
            return Err(Error::Closed(closed));
        }
        read(&*self.inner.engine).map_err(|failure| {
            let closed = Closed::from(failure);
            tracing::error!(reason = %closed, "store closed by a read");
            self.inner.queue.close(closed.clone());
            Error::Closed(closed)
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close(Closed::Stopped);
        let Some(committer) = self.committer.take() else { return };
        // A waker that the committer runs may hold the last handle; a thread can't join itself.
        if committer.thread().id() == thread::current().id() {
            return;
        }
        if committer.join().is_err() {
            tracing::error!("store's committer panicked");
        }
    }
}

/// Gives space that is freed back to the file system; until then it is only used again. Tells
/// whether the file became smaller.
///
/// The folder must not be open: redb moves pages with the database to itself. Measured at about 20
/// seconds a GiB.
///
/// # Errors
///
/// As [`Store::open`].
pub fn compact(folder: &Path, settings: &Settings) -> Result<bool, Error> {
    let locked = Folder::lock(folder)?;
    let mut engine = locked.open(settings)?;
    engine.compact().map_err(|failure| Error::opening(folder.to_owned(), failure))
}
