//! The rules: which batch each verb writes, under which conditions, and what a refusal means. Pure:
//! no store, no clock.
//!
//! The claim follows AWS Powertools' idempotency utility; an owner and a fence on every later
//! write, and the beat in the condition of a takeover, are what it lacks. The fence is Kleppmann's
//! fencing token (*Designing Data-Intensive Applications*, chapter 8), the watching of a beat is
//! from the `DynamoDB` lock client.

pub(crate) mod claim;
pub(crate) mod classify;
pub(crate) mod settle;

use bytes::Bytes;
use headgate_store::{Condition, Scalar};

use crate::{
    random::Owner,
    record::{BEAT, FENCE, OWNER, Record, STATE, State},
};

/// By what a write is known again as one's own, when the answer to it was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) owner: Owner,
    pub(crate) state: State,
    /// None: any result.
    pub(crate) result_hash: Option<Bytes>,
    /// None: any time.
    pub(crate) next: Option<u64>,
}

impl Mark {
    pub(crate) const fn of(owner: Owner, state: State) -> Self {
        Self { owner, state, result_hash: None, next: None }
    }

    pub(crate) fn is_on(&self, record: &Record) -> bool {
        record.owner == self.owner
            && record.state == self.state
            && self.result_hash.as_ref().is_none_or(|hash| record.result_hash == hash)
            && self.next.is_none_or(|next| record.next == next)
    }
}

pub(crate) fn is_state(state: State) -> Condition {
    Condition::equals(STATE, state.code())
}

/// Nobody has written since the record was read. The beat is part of it: a worker that renewed its
/// claim in between keeps it.
pub(crate) fn is_unchanged(record: &Record) -> Condition {
    Condition::All(vec![
        is_owned(record.owner, record.fence),
        is_state(record.state),
        Condition::equals(BEAT, record.beat),
    ])
}

/// The claim is still the last one.
pub(crate) fn is_owned(owner: Owner, fence: u64) -> Condition {
    Condition::All(vec![
        Condition::equals(OWNER, Scalar::from(owner.to_bytes())),
        Condition::equals(FENCE, fence),
    ])
}

#[cfg(test)]
mod tests;
