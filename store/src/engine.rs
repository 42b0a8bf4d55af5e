//! The engine: what carries out groups of batches and answers reads.

use std::{fmt, io};

use bytes::Bytes;
use headgate_types::UnixTime;
use serde::{Deserialize, Serialize};

use crate::{
    batch::{Ack, Batch},
    error::Error,
    item::{Item, Key},
    remote::times::time,
};

/// Rows that one read returns at most.
pub const READ_ROWS_MAX: usize = 1_024;
/// Bytes of rows after which a read returns, with one row at least.
pub const READ_BYTES_MAX: usize = 4 << 20;

/// Carries out groups of batches durably and answers reads.
///
/// The committer is the one caller of [`commit`](Self::commit). Reads come from any thread and see
/// whole groups whose commit has returned, nothing else.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Carries out valid batches one after the other, each against what those before it left, and
    /// returns once all that were not refused have the durability that their [`Ack`]s name. The
    /// verdicts stand in the order of the batches.
    ///
    /// # Errors
    ///
    /// [`Failure`] after which nothing is known of the group but that each batch is there as a
    /// whole or not at all; the engine is not used again.
    fn commit(&self, group: &[Batch]) -> Result<Vec<Verdict>, Failure>;

    /// The item of a key.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the disk can't be read or holds something else than was written. So have
    /// the other reads.
    fn get(&self, key: &Key) -> Result<Option<Item>, Failure>;

    /// Items of a space in the order of their keys, from the first key above `after`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    fn scan(
        &self,
        space: &str,
        after: Option<&[u8]>,
        rows: usize,
    ) -> Result<Vec<(Bytes, Item)>, Failure>;

    /// Where a partition begins and ends. None: nothing was ever appended.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    fn log(&self, topic: &str, partition: u32) -> Result<Option<LogBounds>, Failure>;

    /// Entries of a partition from an offset on, in order. Below the first kept entry, reading
    /// starts there.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Result<Vec<Entry>, Failure>;

    /// A consumer group's offset. None: it never committed one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    fn offset(&self, group: &str, topic: &str, partition: u32) -> Result<Option<u64>, Failure>;

    /// Every partition that has had an entry, by topic and number. At most
    /// [`LOGS_MAX`](crate::LOGS_MAX).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    fn logs(&self) -> Result<Vec<(String, u32, LogBounds)>, Failure>;

    /// The offsets of all consumer groups of a partition, by group, at most [`READ_ROWS_MAX`].
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    fn offsets(&self, topic: &str, partition: u32) -> Result<Vec<(String, u64)>, Failure>;

    /// Entries of a delay queue that are due at `now`, the longest due first.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    fn due(&self, queue: &str, now: UnixTime, rows: usize) -> Result<Vec<Due>, Failure>;

    /// Reads everything once, so that damage shows.
    ///
    /// # Errors
    ///
    /// [`Failure::Damaged`] names the first damage found.
    fn verify(&self) -> Result<(), Failure>;

    /// How much space the store takes and finds.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the file system does not tell.
    fn size(&self) -> Result<Size, Failure>;
}

/// What became of one batch of a group.
pub type Verdict = Result<Ack, Error>;

/// The condition that did not hold, and what stands there instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The operation's place in its batch, from 0: the first whose condition does not hold.
    pub operation: usize,
    /// The item as it stands, so that the loser needs no read. None: there is no such item, or
    /// the operation takes a delayed entry that is not there.
    pub current: Option<Item>,
}

/// What an engine can't go on after.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something was read that is not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A newer version wrote the file.
    #[error("format {found} is newer than {known}")]
    Format {
        /// The file's format.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// A read, a write or a sync failed.
    #[error("input or output failed")]
    Io(#[source] io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData {
            return Self::Damaged(error.to_string());
        }
        Self::Io(error)
    }
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBounds {
    /// The offset of the first entry that is kept; equal to `end` when none is.
    pub start: u64,
    /// The offset that the next entry gets.
    pub end: u64,
    /// Bytes of the entries kept, 16 for each besides its payload.
    pub bytes: u64,
}

/// An entry of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the partition.
    pub offset: u64,
    /// The time that its writer gave it.
    #[serde(with = "time")]
    pub time: UnixTime,
    /// What was appended.
    pub payload: Bytes,
}

/// An entry of a delay queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// When it is due.
    #[serde(with = "time")]
    pub due: UnixTime,
    /// Tells entries of one time apart.
    pub id: Bytes,
    /// What was scheduled.
    pub payload: Bytes,
}

/// How much space the store takes and finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Bytes of the file. Space that is freed is used again but not returned: see
    /// [`compact`](crate::compact).
    pub file_bytes: u64,
    /// Bytes free on the file system.
    pub available_bytes: u64,
}
