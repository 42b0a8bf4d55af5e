//! One recorded outcome for each key, over conditional writes.
//!
//! [`Records`] has the verbs: a worker claims a key or is told what stands under it, and commits
//! its result together with what it wrote and emitted. Every write asks for the owner and the
//! fence of the claim, so that a worker that was thought dead changes nothing when it comes back.
//! A [`Store`] writes batches under conditions; `headgate_store`'s own is the embedded one.
//!
//! The rules are pure functions in `protocol`; `Records` adds the clock, the store and bounded
//! retries. Exactly once is a promise about recorded effects, and never about how often a handler
//! starts.

mod base32;
mod child;
mod claim;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod embedded;
mod error;
mod fingerprint;
pub mod http;
mod key;
mod outcome;
mod protocol;
mod random;
mod record;
mod records;
mod settings;
mod store;
mod ticket;
mod watermark;

#[cfg(feature = "testing")]
pub mod testing;

pub use crate::child::Child;
pub use crate::claim::{Claim, Claimed, Held, HeldAs, OnLost, Once, Recorded};
#[cfg(feature = "dynamodb")]
pub use crate::dynamodb::DynamoDb;
pub use crate::error::{CommitError, Lost, TicketError, Uncommitted};
pub use crate::fingerprint::Fingerprint;
pub use crate::key::{KeyError, RAW_KEY_BYTES_MAX, RecordKey, SCOPE_BYTES_MAX, SPACE, Scope};
pub use crate::outcome::{
    Blame, Commit, Committed, Delayed, Hold, Outcome, Park, Release, Resolution, Seen, StateWrite,
};
pub use crate::random::{OsRandom, Owner, Random};
pub use crate::record::{EFFECTS_MAX, Effect, State, VERSION};
pub use crate::records::{Records, Stats};
pub use crate::settings::{Redelivery, Settings, SettingsFault};
pub use crate::store::{Answer, Budget, Store, StoreError, Written};
pub use crate::ticket::Ticket;
pub use crate::watermark::{Position, Watermark};
