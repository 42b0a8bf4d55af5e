//! What a handler works through: reads at once, and writes that are kept until it is done.

mod effect;
mod emit;
mod state;

use std::{fmt, marker::PhantomData, sync::Arc};

use headgate_store::OPERATIONS_MAX;
use headgate_types::Event;

use self::state::Reads;
pub(crate) use self::{
    effect::{Journal, Stop},
    emit::{push_key, source},
};
pub use self::{
    emit::{Emit, PUSH_KIND, PUSH_TOPIC, Place, RESULT_KIND},
    state::{STATE_SPACE, Versioned},
};
use crate::{
    child::Child,
    fault::Fault,
    handler::Terms,
    key::{RecordKey, Scope},
    outcome::StateWrite,
    partition::Partitions,
    records::Records,
};

/// The name of the effect that a handler as a whole is, which none can give.
const WORK: &str = "#work";

/// What a handler works through.
///
/// State is read at once. What is put, emitted and pushed is kept, and written together with the
/// result in one commit, or not at all.
pub struct Context<M> {
    shared: Arc<Shared>,
    reads: Reads,
    emitted: Vec<Child>,
    pushed: u32,
    journal: Option<Journal>,
    mode: PhantomData<fn() -> M>,
}

/// The context of a handler whose effects are all in the store: its state, what it emits and what
/// it pushes. It has no effects outside, so a handler that asks for one does not compile:
///
/// ```compile_fail
/// # use headgate_idempotency::{Event, Fault, Tx, handler};
/// #[handler(scope = "mail.send@1", on = "mail/mail.due.v1")]
/// async fn send(e: Event<String>, cx: &mut Tx) -> Result<(), Fault> {
///     cx.effect("smtp", |_key| async { Ok(()) }).await
/// }
/// ```
pub type Tx = Context<Transactional>;
/// The context of a handler that calls services which honor an idempotency key.
pub type Keyed = Context<KeyedEffects>;
/// The context of a handler with effects outside that nothing can make harmless to repeat.
pub type Leased = Context<LeasedEffects>;

/// How effects outside are made safe.
pub trait Mode: sealed::Sealed + Send + Sync + 'static {
    /// Whether the key is claimed before the handler starts.
    const CLAIMS: bool;
    /// Whether an effect that is tried again is still one effect.
    const HONORED: bool;
}

/// A mode with effects outside.
#[diagnostic::on_unimplemented(
    message = "mode transactional has no effects outside",
    note = "use `mode = keyed` with `cx: &mut Keyed` for a service that honors a key, or \
            `mode = leased` with `cx: &mut Leased` for one that does not"
)]
pub trait Effects: Mode {}

/// Nothing is done outside the store: one commit, and no claim before it.
#[derive(Clone, Copy, Debug)]
pub enum Transactional {}
/// What is done outside is done under a key that the other side honors.
#[derive(Clone, Copy, Debug)]
pub enum KeyedEffects {}
/// What is done outside is done by one worker at a time, as far as a lease can tell.
#[derive(Clone, Copy, Debug)]
pub enum LeasedEffects {}

impl Mode for Transactional {
    const CLAIMS: bool = false;
    const HONORED: bool = true;
}

impl Mode for KeyedEffects {
    const CLAIMS: bool = true;
    const HONORED: bool = true;
}

impl Mode for LeasedEffects {
    const CLAIMS: bool = true;
    const HONORED: bool = false;
}

impl Effects for KeyedEffects {}

impl Effects for LeasedEffects {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Transactional {}
    impl Sealed for super::KeyedEffects {}
    impl Sealed for super::LeasedEffects {}
}

/// What all runs of one delivery share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) records: Records,
    pub(crate) terms: Arc<Terms>,
    pub(crate) scope: Scope,
    /// The event that is handled.
    pub(crate) event: Event<()>,
    /// Who emits.
    pub(crate) source: Arc<str>,
    /// Of topics that do not have as many partitions as the terms say.
    pub(crate) partitions: Partitions,
    /// What names the work.
    pub(crate) key: RecordKey,
}

/// What a run leaves behind.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) state: Vec<StateWrite>,
    pub(crate) emit: Vec<Child>,
    /// Why the run must not be settled as the handler says.
    pub(crate) stop: Option<Stop>,
    /// The effect that was begun and not seen to its end.
    pub(crate) in_doubt: Option<String>,
}

impl<M> Context<M> {
    pub(crate) fn new(shared: Arc<Shared>, journal: Option<Journal>) -> Self {
        Self {
            shared,
            reads: Reads::default(),
            emitted: Vec::new(),
            pushed: 0,
            journal,
            mode: PhantomData,
        }
    }

    pub(crate) fn finish(self) -> Left {
        let (stop, in_doubt) = self.journal.map(Journal::finish).unwrap_or_default();
        Left { state: self.reads.into_writes(), emit: self.emitted, stop, in_doubt }
    }

    /// A key for whatever is done outside for this work, the same for every attempt: for a handler
    /// that makes one call to a service which honors keys, and leaves the rest to it.
    pub fn work_key(&self) -> String {
        self.shared.key.effect_key(WORK)
    }

    /// Keeps a handler that loops from filling the memory; the commit's own budget is stricter.
    fn room(&self) -> Result<(), Fault> {
        if self.reads.len() + self.emitted.len() < OPERATIONS_MAX {
            return Ok(());
        }
        Err(Fault::retry(format!(
            "a run reads, writes and emits at most {OPERATIONS_MAX} things; split the work"
        )))
    }
}

impl<M> fmt::Debug for Context<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("scope", &self.shared.scope)
            .field("event", &self.shared.event.id)
            .finish_non_exhaustive()
    }
}
