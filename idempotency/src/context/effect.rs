//! Effects outside, written down before and after.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{Context, Effects};
use crate::{
    claim::OnLost, error::TicketError, fault::Fault, record::Effect, store::StoreError,
    ticket::Ticket,
};

/// Why a run is not settled as its handler says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The key is somebody else's.
    Fenced,
    /// Whether an effect happened is not known, and must not happen twice.
    Hold(String),
}

/// A run's right to write its effects down.
#[derive(Debug)]
pub(crate) struct Journal {
    ticket: Arc<Ticket>,
    stop: Option<Stop>,
    /// Names that this run has used.
    names: BTreeSet<String>,
    /// The effect that is carried out just now.
    under_way: Option<String>,
}

impl Journal {
    pub(crate) const fn new(ticket: Arc<Ticket>) -> Self {
        Self { ticket, stop: None, names: BTreeSet::new(), under_way: None }
    }
}

impl<M> Context<M> {
    /// Has an effect outside under a key that is the same for every attempt, and gives what the
    /// other side answered. An effect that an earlier attempt has carried out is not repeated: its
    /// answer is read from the record.
    ///
    /// The intent is written down before the call and the answer after it, each with one write. In
    /// mode keyed, hand the key to the other side: an attempt that takes over in between calls
    /// again under the same key, as long as the terms' `window` says that it is honored.
    ///
    /// A call that fails with [`Fault::Retry`] or [`Fault::Dependency`] says that it may be made
    /// again; [`Fault::InDoubt`] that nobody knows.
    ///
    /// # Errors
    ///
    /// The call's own [`Fault`]. [`Fault::Dependency`] when the intent can't be written down;
    /// [`Fault::Retry`] for a name that this run has used before, for more than
    /// [`EFFECTS_MAX`](crate::EFFECTS_MAX) effects, and for an answer that JSON can't hold. When
    /// the key was lost meanwhile, or must be held, an error too: what the handler then returns
    /// does not count.
    ///
    /// # Cancel safety
    ///
    /// An effect that is dropped may have happened or not. So it is treated when the handler goes
    /// on without it.
    pub async fn effect<R, Call>(
        &mut self,
        name: &str,
        call: impl FnOnce(String) -> Call,
    ) -> Result<R, Fault>
    where
        M: Effects,
        R: Serialize + DeserializeOwned,
        Call: Future<Output = Result<R, Fault>>,
    {
        let shared = Arc::clone(&self.shared);
        let Some(journal) = self.journal.as_mut() else {
            return Err(Fault::retry("effects outside need a claim"));
        };
        if !journal.names.insert(name.to_owned()) {
            return Err(Fault::retry(format!("two effects are called {name:?}")));
        }
        let (records, now) = (&shared.records, shared.records.unix_time());
        let ticket = Arc::clone(&journal.ticket);
        match ticket.effect(name) {
            Some(Effect::Carried { response }) => {
                return serde_json::from_slice(&response)
                    .map_err(|error| Fault::retry(format!("the answer of {name:?}: {error}")));
            }
            Some(Effect::Planned { since }) => {
                let is_honored = M::HONORED && now.since(since) < shared.terms.window;
                // Attempts that count from the start again were ordered by a person.
                let is_ordered = ticket.attempt() == 1;
                if M::HONORED && !is_honored && !is_ordered && shared.terms.on_lost == OnLost::Hold
                {
                    let error = format!("the key of {name:?} may not be honored any more");
                    return Err(journal.stop(Stop::Hold(error)));
                }
                if !is_honored {
                    tracing::warn!(key = ?ticket.key(), effect = name, "effect may be repeated");
                }
            }
            None => {
                let planned = records.journal(&ticket, name, Effect::Planned { since: now }).await;
                planned.map_err(|error| journal.failed(error))?;
            }
        }
        journal.under_way = Some(name.to_owned());
        let called = call(ticket.effect_key(name)).await;
        journal.under_way = None;
        let answer =
            called.map_err(|fault| journal.judge(fault, M::HONORED, shared.terms.on_lost))?;
        let response = serde_json::to_vec(&answer).map(Bytes::from);
        let response =
            response.map_err(|error| Fault::retry(format!("the answer of {name:?}: {error}")))?;
        match records.journal(&ticket, name, Effect::Carried { response }).await {
            Ok(()) => {}
            Err(TicketError::Store(error)) => {
                // The commit that follows says more than this note would have.
                tracing::warn!(%error, effect = name, "answer of an effect not written down");
            }
            Err(error) => return Err(journal.failed(error)),
        }
        Ok(answer)
    }
}

impl Journal {
    /// Why the run is not settled as its handler says, and the effect that it did not see to its
    /// end.
    pub(super) fn finish(self) -> (Option<Stop>, Option<String>) {
        (self.stop, self.under_way)
    }

    fn stop(&mut self, stop: Stop) -> Fault {
        let fault = Fault::retry(match &stop {
            Stop::Fenced => "the key is held by another claim",
            Stop::Hold(error) => error,
        });
        self.stop = Some(stop);
        fault
    }

    /// What a note that was not written means. Nothing was done yet.
    fn failed(&mut self, error: TicketError) -> Fault {
        match error {
            TicketError::Fenced => self.stop(Stop::Fenced),
            TicketError::Store(StoreError::Invalid(error)) => Fault::retry(error),
            TicketError::Store(error) => error.into(),
        }
    }

    fn judge(&mut self, fault: Fault, is_honored: bool, on_lost: OnLost) -> Fault {
        match fault {
            Fault::InDoubt { error } if !is_honored && on_lost == OnLost::Hold => {
                self.stop(Stop::Hold(error))
            }
            fault => fault,
        }
    }
}
