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
mod context;
mod dead_letter;
mod decorator;
mod delivery;
mod derived;
mod embedded;
mod error;
mod fault;
mod fingerprint;
mod handler;
mod key;
mod layer;
mod outcome;
mod partition;
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
pub use crate::context::{
    Context, Effects, Emit, Keyed, KeyedEffects, Leased, LeasedEffects, Mode, PUSH_TOPIC,
    STATE_SPACE, Transactional, Tx, Versioned,
};
pub use crate::dead_letter::{DEAD_LETTERS, Reason};
pub use crate::decorator::{Decorated, InvalidTerms, RUNS_MAX};
pub use crate::delivery::{Delivery, Settlement};
pub use crate::derived::{child_id, root_id};
pub use crate::error::{CommitError, Lost, TicketError, Uncommitted};
pub use crate::fault::Fault;
pub use crate::fingerprint::Fingerprint;
pub use crate::handler::{Backoff, Handler, Order, Terms};
pub use crate::key::{KeyError, RAW_KEY_BYTES_MAX, RecordKey, SCOPE_BYTES_MAX, SPACE, Scope};
pub use crate::layer::{Idempotency, IdempotencyLayer, LayerError, Replay, Work};
pub use crate::outcome::{
    Blame, Commit, Committed, Delayed, Hold, Outcome, Park, Release, Resolution, Seen, StateWrite,
};
pub use crate::partition::{PARTITIONS_DEFAULT, partition_of};
pub use crate::random::{OsRandom, Owner, Random};
pub use crate::record::{EFFECTS_MAX, Effect, State, VERSION};
pub use crate::records::Records;
pub use crate::settings::{Redelivery, Settings, SettingsFault};
pub use crate::store::{Answer, Budget, Store, StoreError, Written};
pub use crate::ticket::Ticket;
pub use crate::watermark::{Position, Watermark};
pub use headgate_macros::handler;
pub use headgate_types::Event;
