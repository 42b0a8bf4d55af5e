//! The engine on redb: one database, and one of its commits for each group.

mod read;
mod rows;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    sync::Arc,
};

use bytes::Bytes;
use headgate_types::UnixTime;
use parking_lot::Mutex;
use redb::{Database, ReadableDatabase, TableDefinition, TableError};

use crate::{
    batch::Batch,
    disk::Disk,
    engine::{Due, Engine, Entry, Failure, LogBounds, Size, Verdict},
    guard::{Guard, Shared},
    item::{Item, Key},
    settings::Settings,
};

/// Partitions of all topics at most, and topics; their bounds are kept in memory.
pub const LOGS_MAX: usize = 65_536;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Space and key to item.
const ITEMS: Definition = Definition::new("items");
/// Time to expire, space and key, to nothing.
const EXPIRY: Definition = Definition::new("expiry");
/// Name to number.
const TOPICS: Definition = Definition::new("topics");
/// Topic and partition to bounds.
const BOUNDS: Definition = Definition::new("bounds");
/// Topic, partition and offset to entry; with a number of entries behind the offset, to so many.
const ENTRIES: Definition = Definition::new("entries");
/// Topic, partition and group to offset.
const OFFSETS: Definition = Definition::new("offsets");
/// Queue, time and id to entry.
const DELAYED: Definition = Definition::new("delayed");
/// The last batch's number, and the numbers of topics that are deleted and not yet removed.
const META: Definition = Definition::new("meta");
const SEQUENCE: &[u8] = b"sequence";
const DELETED: &[u8] = b"deleted/";

/// The engine on redb.
#[derive(Debug)]
pub struct Embedded {
    database: Database,
    guard: Arc<Guard>,
    /// Touched by the committer alone, but for opening.
    heads: Mutex<Heads>,
    quick_repair_below: u64,
}

/// What the committer knows without reading. Ahead of the disk only inside a commit, and an engine
/// whose commit failed is not used again.
#[derive(Debug, Default)]
struct Heads {
    sequence: u64,
    topics: HashMap<String, u32>,
    /// By topic and partition.
    logs: BTreeMap<(u32, u32), LogBounds>,
    /// Topics that have no name any more, and rows still.
    deleted: BTreeSet<u32>,
}

impl Embedded {
    /// Opens the database on a disk, or makes one on an empty disk.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the disk can't be used or what it holds can't be trusted.
    pub fn open(disk: Arc<dyn Disk>, settings: &Settings) -> Result<Self, Failure> {
        let guard = Arc::new(Guard::open(disk)?);
        let cache = usize::try_from(settings.cache.as_bytes()).unwrap_or(usize::MAX);
        let database = Database::builder()
            .set_cache_size(cache)
            .create_with_backend(Shared(Arc::clone(&guard)))
            .map_err(fault)?;
        let quick_repair_below = settings.quick_repair_below.as_bytes();
        let engine = Self { database, guard, heads: Mutex::default(), quick_repair_below };
        let read = engine.database.begin_read().map_err(fault)?;
        match read.open_table(META) {
            Ok(_) => drop(read),
            Err(TableError::TableDoesNotExist(_)) => engine.make_tables()?,
            Err(error) => return Err(fault(error)),
        }
        *engine.heads.lock() = engine.reader()?.heads()?;
        Ok(engine)
    }

    /// Gives free space back. Tells whether the file became smaller.
    pub(crate) fn compact(&mut self) -> Result<bool, Failure> {
        self.database.compact().map_err(fault)
    }

    fn make_tables(&self) -> Result<(), Failure> {
        let transaction = self.begin()?;
        for table in [ITEMS, EXPIRY, TOPICS, BOUNDS, ENTRIES, OFFSETS, DELAYED, META] {
            transaction.open_table(table).map_err(fault)?;
        }
        transaction.commit().map_err(fault)
    }

    /// A commit has two phases whatever the size of the file. With one, a torn commit and a damaged
    /// one look the same, and redb would take back an acknowledged batch without a word.
    fn begin(&self) -> Result<redb::WriteTransaction, Failure> {
        let mut transaction = self.database.begin_write().map_err(fault)?;
        transaction.set_two_phase_commit(true);
        let small = self.guard.file_bytes()? < self.quick_repair_below;
        transaction.set_quick_repair(small);
        Ok(transaction)
    }

    fn reader(&self) -> Result<read::Reader, Failure> {
        Ok(read::Reader::new(self.database.begin_read().map_err(fault)?))
    }
}

impl Engine for Embedded {
    fn commit(&self, group: &[Batch]) -> Result<Vec<Verdict>, Failure> {
        let mut heads = self.heads.lock();
        let transaction = self.begin()?;
        let verdicts = write::carry_out(&transaction, &mut heads, group)?;
        if verdicts.iter().any(Result::is_ok) {
            transaction.commit().map_err(fault)?;
        } else {
            transaction.abort().map_err(fault)?;
        }
        Ok(verdicts)
    }

    fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
        self.reader()?.get(key)
    }

    fn scan(
        &self,
        space: &str,
        after: Option<&[u8]>,
        rows: usize,
    ) -> Result<Vec<(Bytes, Item)>, Failure> {
        self.reader()?.scan(space, after, rows)
    }

    fn log(&self, topic: &str, partition: u32) -> Result<Option<LogBounds>, Failure> {
        self.reader()?.log(topic, partition)
    }

    fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Result<Vec<Entry>, Failure> {
        self.reader()?.entries(topic, partition, from, rows)
    }

    fn offset(&self, group: &str, topic: &str, partition: u32) -> Result<Option<u64>, Failure> {
        self.reader()?.offset(group, topic, partition)
    }

    fn logs(&self) -> Result<Vec<(String, u32, LogBounds)>, Failure> {
        self.reader()?.logs()
    }

    fn offsets(&self, topic: &str, partition: u32) -> Result<Vec<(String, u64)>, Failure> {
        self.reader()?.offsets(topic, partition)
    }

    fn due(&self, queue: &str, now: UnixTime, rows: usize) -> Result<Vec<Due>, Failure> {
        self.reader()?.due(queue, now, rows)
    }

    fn verify(&self) -> Result<(), Failure> {
        self.reader()?.verify()
    }

    fn size(&self) -> Result<Size, Failure> {
        let (file_bytes, available_bytes) = (self.guard.file_bytes()?, self.guard.available()?);
        Ok(Size { file_bytes, available_bytes })
    }
}

/// What an error of redb means for the store.
fn fault(error: impl Into<redb::Error>) -> Failure {
    match error.into() {
        redb::Error::Corrupted(detail) => Failure::Damaged(detail),
        redb::Error::Io(error) => error.into(),
        other => Failure::Io(io::Error::other(other)),
    }
}

#[cfg(test)]
mod tests;
