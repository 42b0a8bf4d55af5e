//! The embedded engine: conditional writes, log appends, consumer offsets and a delay queue in one
//! atomic durable batch.
//!
//! A caller builds a [`Batch`] and submits it to the [`Store`]. One committer thread gathers what
//! waits, hands it to the [`Engine`] as one group, and answers with an [`Ack`] once the group is on
//! the disk. Reads go past the committer and see committed batches only.
//!
//! The crate reads no clock: whatever depends on the time takes it as an argument.

mod batch;
mod committer;
mod disk;
mod embedded;
mod engine;
mod error;
mod folder;
mod guard;
mod item;
mod movable;
mod pending;
mod remote;
mod settings;
mod store;
mod subscription;

#[cfg(feature = "testing")]
pub mod testing;

pub use crate::batch::{
    ATTRIBUTES_MAX, Ack, BATCH_BYTES_MAX, Batch, CONDITION_TERMS_MAX, Done, Durability,
    ENTRY_BYTES_MAX, KEY_BYTES_MAX, Keep, NAME_BYTES_MAX, OPERATIONS_MAX, Operation, PARTITION_MAX,
    STEP_ROWS_MAX, VALUE_BYTES_MAX,
};
pub use crate::disk::{Disk, FileDisk};
pub use crate::embedded::{Embedded, LOGS_MAX};
pub use crate::engine::{
    Due, Engine, Entry, Failure, LogBounds, READ_BYTES_MAX, READ_ROWS_MAX, Refused, Size, Verdict,
};
pub use crate::error::{Closed, Error};
pub use crate::item::{Compare, Condition, Content, Edit, Item, Key, Scalar};
pub use crate::movable::{Away, Movable};
pub use crate::pending::Pending;
pub use crate::remote::{Access, Remote, answer};
pub use crate::settings::Settings;
pub use crate::store::{Stats, Store, compact};
pub use crate::subscription::{SUBSCRIPTIONS_MAX, Subscription};
