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
pub mod claim_check;
mod context;
mod dead_letter;
mod decorator;
mod delivery;
mod derived;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod embedded;
mod error;
mod fault;
mod fingerprint;
mod handler;
pub mod http;
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
pub use crate::claim_check::{ClaimCheck, DataRef};
pub use crate::context::{
    Context, Effects, Emit, Keyed, KeyedEffects, Leased, LeasedEffects, Mode, PUSH_KIND,
    PUSH_TOPIC, Place, RESULT_KIND, STATE_SPACE, Transactional, Tx, Versioned,
};
pub use crate::dead_letter::{DEAD_LETTERS, Reason, dead_letter, letter_id};
pub use crate::decorator::{Aside, Decorated, InvalidTerms, RUNS_MAX};
pub use crate::delivery::{Again, Deferral, Delivery, RunTime, Settlement};
pub use crate::derived::{child_id, root_id};
#[cfg(feature = "dynamodb")]
pub use crate::dynamodb::DynamoDb;
pub use crate::error::{CommitError, Lost, TicketError, Uncommitted};
pub use crate::fault::Fault;
pub use crate::fingerprint::Fingerprint;
pub use crate::handler::{Backoff, Handler, Order, Terms};
pub use crate::key::{KeyError, RAW_KEY_BYTES_MAX, RecordKey, SCOPE_BYTES_MAX, SPACE, Scope};
pub use crate::layer::{Idempotency, IdempotencyLayer, LayerError, Replay, Work};
pub use crate::outcome::{
    Blame, Commit, Committed, Delayed, Hold, Outcome, Park, Release, Resolution, Seen, StateWrite,
};
pub use crate::partition::{PARTITIONS_DEFAULT, Partitions, partition_of};
pub use crate::random::{OsRandom, Owner, Random};
pub use crate::record::{EFFECTS_MAX, Effect, State, VERSION};
pub use crate::records::{Records, Stats, Waiting, WaitingPage};
pub use crate::settings::{Redelivery, Settings, SettingsFault};
pub use crate::store::{Answer, Budget, Page, Scan, Store, StoreError, Written};
pub use crate::ticket::Ticket;
pub use crate::watermark::{Position, Watermark};
/// Makes an async function a handler whose recorded effects happen once for each key.
///
/// ```
/// use headgate_idempotency::{Event, Fault, Tx, handler};
///
/// #[handler(
///     scope = "billing.count@1",
///     on = "orders/order.placed.v1",
///     key = |e| e.data,
///     ttl = "24h",
///     retry = exp("200ms", 2.0, "5m", 8),
///     order = unordered
/// )]
/// async fn count(e: Event<String>, cx: &mut Tx) -> Result<u64, Fault> {
///     let mut count = cx.state::<u64>("orders").await?;
///     *count.or_default() += 1;
///     let orders = *count.or_default();
///     cx.put(count)?;
///     Ok(orders)
/// }
/// # let _handler = count();
/// ```
///
/// In place of the function stands one that gives the handler, a [`Handler`], for
/// [`Decorated::new`]. A third parameter, `name: &T`, is something that the handler shares between
/// its runs, and then that function takes it, as a `T` or an `Arc<T>`.
///
/// | argument | value | if it is not there |
/// |---|---|---|
/// | `scope` | keeps the handler's keys apart from others': a name that never changes | refused |
/// | `on` | the events that it takes, as `"topic/type"` | refused |
/// | `key` | what names the work, as `\|e\| e.data.id`; anything that can be displayed | the event's own key, or else its source and id |
/// | `mode` | `transactional` with [`Tx`], `keyed` with [`Keyed`], `leased` with [`Leased`] | `transactional` |
/// | `on_lost` | `retry` or `hold`, for work whose worker is lost; not in mode transactional | `retry` in mode keyed, refused in mode leased |
/// | `ttl` | how long an outcome is kept | `"24h"` |
/// | `lease` | how long a claim holds without a beat; not in mode transactional | `"30s"` |
/// | `timeout` | how long one run may take | `"5m"` |
/// | `window` | how long other services honor a key; only in mode keyed | `"24h"` |
/// | `retry` | `exp(first wait, factor, longest wait, attempts)` | `exp("200ms", 2.0, "5m", 8)` |
/// | `order` | `unordered`, or `per_key`: events of a partition key wait for one that is tried again | `unordered` |
///
/// An argument that is not known is refused, and so is one that its mode has no use for:
///
/// ```compile_fail
/// # use headgate_idempotency::{Event, Fault, Tx, handler};
/// #[handler(scope = "s", on = "t/k", leese = "30s")]
/// async fn count(e: Event<String>, cx: &mut Tx) -> Result<(), Fault> {
///     Ok(())
/// }
/// ```
///
/// ```compile_fail
/// # use headgate_idempotency::{Event, Fault, Leased, handler};
/// #[handler(scope = "s", on = "t/k", mode = leased)] // retry or hold?
/// async fn send(e: Event<String>, cx: &mut Leased) -> Result<(), Fault> {
///     Ok(())
/// }
/// ```
pub use headgate_macros::handler;
pub use headgate_types::Event;

// The guide's code is compiled and run as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/exactly-once-handler.md")]
struct Guide;
