//! What the protocol asks of a store: one strong read, and one conditional write of all or nothing.

use std::{fmt, future::ready, pin::Pin};

use bytes::Bytes;
use headgate_store::{
    BATCH_BYTES_MAX, Batch, Condition, Durability, Item, Key, OPERATIONS_MAX, Refused,
    VALUE_BYTES_MAX,
};

use crate::child::{self, Child};

/// An answer that is awaited, behind a pointer so that the store is chosen at run time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Items that are written under conditions, a batch as a whole.
///
/// An answer that is dropped undoes nothing: the batch may be carried out all the same.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The item as the last acknowledged batch left it, also one that has expired. None: there is
    /// none.
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>>;

    /// Writes a batch when all of its conditions hold.
    ///
    /// A store that sends a batch again, because an answer was lost, sees to it that the batch
    /// takes effect once; where it can't tell, it answers [`StoreError::InDoubt`].
    fn commit(&self, batch: Batch) -> Answer<'_, Written>;

    /// The next offset that a consumer group has to read of a partition: everything below it is
    /// settled for ever. None: it never committed one.
    fn offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
    ) -> Answer<'a, Option<u64>>;

    /// Looks through the items of a space, a bounded step at a time. A store that can't be looked
    /// through answers [`StoreError::Invalid`].
    fn scan<'a>(&'a self, _scan: Scan<'a>) -> Answer<'a, Page> {
        Box::pin(ready(Err(StoreError::Invalid("the store can't be looked through".to_owned()))))
    }

    /// Adds children to a batch, in the store's way: as log entries, unless it says otherwise.
    fn emit(&self, batch: Batch, children: Vec<Child>) -> Batch {
        child::append(batch, children)
    }

    /// Whether a read is so cheap that it comes before a write that may be refused: then a
    /// duplicate costs no write. Where a read is a request, the refusal itself tells as much.
    fn reads_first(&self) -> bool {
        false
    }

    /// Whether batches that wait are made durable together, so that more of them at once cost
    /// little more time each.
    fn shares_syncs(&self) -> bool {
        false
    }

    /// What one batch may hold.
    fn budget(&self) -> Budget {
        Budget::default()
    }
}

/// One step of a look through a space.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// The space.
    pub space: &'a str,
    /// What an item must be to be found.
    pub matching: &'a Condition,
    /// Where the last step ended, as it said. None: at the beginning.
    pub after: Option<&'a Bytes>,
    /// Items that are looked at, at most. A store may look at fewer.
    pub rows: usize,
}

/// What a step found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Items that match, by key.
    pub items: Vec<(Bytes, Item)>,
    /// Where the next step begins. None: this was the last one. A step may find nothing and still
    /// not be the last.
    pub next: Option<Bytes>,
}

impl Page {
    /// The page of items that were read in order.
    pub(crate) fn of(found: Vec<(Bytes, Item)>, matching: &Condition) -> Self {
        let next = found.last().map(|(key, _)| key.clone());
        let items = found.into_iter().filter(|(_, item)| matching.holds(Some(item))).collect();
        Self { items, next }
    }
}

/// What one batch may hold. The default is the embedded store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Operations.
    pub operations: usize,
    /// Bytes of all operations.
    pub bytes: usize,
    /// Bytes of a result.
    pub result_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { operations: OPERATIONS_MAX, bytes: BATCH_BYTES_MAX, result_bytes: VALUE_BYTES_MAX }
    }
}

/// A batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The version of the items that the batch wrote, which no other batch gives to any of them.
    pub version: u64,
    /// How far the batch has come.
    pub durability: Durability,
}

/// Why a store gave no answer, or wrote nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A condition did not hold. Nothing was written.
    #[error("the condition of operation {} does not hold", .0.operation)]
    Refused(Refused),
    /// Too much waits, or another batch is on one of the items just now. Nothing was written; the
    /// same batch may succeed a little later.
    #[error("the store is busy")]
    Busy,
    /// There is no space for a batch that grows the store. Nothing was written.
    #[error("the store is full")]
    Full,
    /// The batch is larger than the store takes, or not valid. Nothing was written.
    #[error("{0}")]
    Invalid(String),
    /// What stands under a key is no record of that key: two raw keys have one hash, or a newer
    /// version wrote it. Nothing was written.
    #[error("what stands under the key is not its record: {0}")]
    Foreign(&'static str),
    /// No answer came: the batch may have been written or not, as a whole. Read before acting.
    #[error("whether the store has the batch is not known: {0}")]
    InDoubt(String),
    /// The store can't be reached or is closed. Nothing was written.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}

impl StoreError {
    /// The stable code, with a page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "HG1310",
            Self::Busy => "HG1305",
            Self::Full => "HG1306",
            Self::Invalid(_) => "HG1309",
            Self::Foreign(_) => "HG1406",
            Self::InDoubt(_) => "HG1407",
            Self::Unavailable(_) => "HG1408",
        }
    }
}
