//! Settling: the record's part of an outcome, and the batch around it.

use std::time::Duration;

use bytes::Bytes;
use headgate_store::{Batch, Condition, Edit, Operation, Refused, Scalar};
use headgate_types::UnixTime;

use super::{Mark, claim::first_fence, is_owned, is_state, is_unchanged};
use crate::{
    child::Child,
    claim::{Claim, Held},
    error::CommitError,
    fingerprint::result_hash,
    key::{RecordKey, SPACE},
    outcome::{Blame, Commit, Outcome, StateWrite},
    random::Owner,
    record::{
        ATTEMPT, BEAT, ERROR, FENCE, FINGERPRINT, LAYOUT, LEASE, LEASE_END, NEXT, OWNER, RAW,
        RESULT_HASH, Record, STATE, State, TRACE, VERSION, error_text, millis, trace_bytes,
        without_effect,
    },
    store::{Store, StoreError},
    ticket::Ticket,
};

/// An outcome taken apart: what it does to the record, and what goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Settlement {
    pub(crate) state: State,
    edits: Vec<Edit>,
    blame: Blame,
    result_bytes: usize,
    result_hash: Option<Bytes>,
    next: Option<u64>,
    writes: Vec<StateWrite>,
    emit: Vec<Child>,
    also: Vec<Operation>,
}

impl Settlement {
    pub(crate) fn new(outcome: Outcome, ttl: Duration, now: UnixTime) -> Self {
        match outcome {
            Outcome::Done(commit) => Self::commit(State::Done, commit, ttl, now),
            Outcome::Rejected(commit) => Self::commit(State::Rejected, commit, ttl, now),
            Outcome::Retry(release) => {
                let mut settlement = Self::failed(State::Retry, &release.error, release.also);
                settlement.edits.extend([
                    Edit::Set(NEXT.to_owned(), millis(release.due).into()),
                    Edit::Expires(Some(release.due + ttl)),
                ]);
                settlement.also.extend(release.delayed.map(|delayed| Operation::Schedule {
                    queue: delayed.queue,
                    due: release.due,
                    id: delayed.id,
                    payload: delayed.payload,
                }));
                settlement.blame = release.blame;
                settlement.next = Some(millis(release.due));
                settlement
            }
            Outcome::Hold(hold) => {
                let mut settlement = Self::failed(State::Hold, &hold.error, hold.also);
                settlement.edits.push(Edit::Expires(None));
                settlement.emit = hold.emit;
                settlement
            }
            Outcome::Park(park) => {
                let mut settlement = Self::failed(State::Park, &park.error, park.also);
                settlement.edits.push(Edit::Expires(Some(now + park.ttl.unwrap_or(ttl))));
                settlement.emit = park.emit;
                settlement
            }
        }
    }

    fn commit(state: State, commit: Commit, ttl: Duration, now: UnixTime) -> Self {
        let hash = result_hash(&commit.result);
        Self {
            state,
            blame: Blame::Handler,
            result_bytes: commit.result.len(),
            edits: vec![
                Edit::Value(commit.result),
                Edit::Set(RESULT_HASH.to_owned(), hash.clone().into()),
                Edit::Expires(Some(now + commit.ttl.unwrap_or(ttl))),
                Edit::Remove(NEXT.to_owned()),
                Edit::Remove(ERROR.to_owned()),
            ],
            result_hash: Some(hash),
            next: None,
            writes: commit.state,
            emit: commit.emit,
            also: commit.also,
        }
    }

    fn failed(state: State, error: &str, also: Vec<Operation>) -> Self {
        Self {
            state,
            edits: vec![Edit::Set(ERROR.to_owned(), error_text(error).into())],
            blame: Blame::Handler,
            result_bytes: 0,
            result_hash: None,
            next: None,
            writes: Vec::new(),
            emit: Vec::new(),
            also,
        }
    }

    pub(crate) fn mark(&self, owner: Owner) -> Mark {
        let (result_hash, next) = (self.result_hash.clone(), self.next);
        Mark { owner, state: self.state, result_hash, next }
    }

    /// Ends a claim. Somebody who comes late may still settle what is held for it, since nobody ran
    /// in between; but it can't ask for another run.
    pub(crate) fn of_ticket(
        mut self,
        ticket: &Ticket,
        store: &dyn Store,
    ) -> Result<Batch, CommitError> {
        self.leave();
        if self.blame == Blame::Dependency {
            let attempts = ticket.attempt.saturating_sub(1);
            self.edits.push(Edit::Set(ATTEMPT.to_owned(), attempts.into()));
        }
        // An outcome needs no journal. Whatever else happens, the next attempt or a person must
        // know what was carried out, also where the note of it was lost.
        let needs_journal = !matches!(self.state, State::Done | State::Rejected);
        self.edits.extend(ticket.effects.lock().iter().map(|(name, effect)| {
            if needs_journal { effect.edit(name) } else { without_effect(name) }
        }));
        let from = match self.state {
            State::Done | State::Rejected | State::Park => {
                Condition::Any(vec![is_state(State::Run), is_state(State::Hold)])
            }
            _ => is_state(State::Run),
        };
        let when = Condition::All(vec![is_owned(ticket.owner, ticket.fence), from]);
        self.batch(&ticket.key, when, store)
    }

    /// Settles a key that nobody claimed, over what was read or, without a read, over nothing that
    /// stands against it.
    pub(crate) fn of_once(
        mut self,
        (claim, owner): (&Claim, Owner),
        over: Option<&Record>,
        now: UnixTime,
        store: &dyn Store,
    ) -> Result<Batch, CommitError> {
        self.leave();
        let counted = u64::from(self.blame == Blame::Handler);
        let set = |name: &str, value: Scalar| Edit::Set(name.to_owned(), value);
        self.edits.extend([
            set(OWNER, owner.to_bytes().into()),
            Edit::Add { name: FENCE.to_owned(), amount: 1, from: first_fence(now) },
            Edit::Add { name: ATTEMPT.to_owned(), amount: counted, from: 0 },
            set(BEAT, 0.into()),
            set(FINGERPRINT, claim.fingerprint.to_bytes().into()),
            set(RAW, claim.key.raw().clone().into()),
            set(LAYOUT, VERSION.into()),
        ]);
        self.edits.extend(claim.trace.map(|trace| set(TRACE, trace_bytes(trace).into())));
        let fingerprint = Scalar::from(claim.fingerprint.to_bytes());
        let when = over.map_or_else(
            || {
                Condition::Any(vec![
                    Condition::Absent,
                    Condition::ExpiredBy(now),
                    Condition::All(vec![
                        is_state(State::Retry),
                        Condition::equals(FINGERPRINT, fingerprint),
                    ]),
                ])
            },
            is_unchanged,
        );
        self.batch(&claim.key, when, store)
    }

    /// Resolves a key that waits. Owner and fence move on, so that a worker that comes back late
    /// does not take the resolution for its own outcome.
    pub(crate) fn of_resolution(
        mut self,
        key: &RecordKey,
        held: &Held,
        owner: Owner,
        store: &dyn Store,
    ) -> Result<Batch, CommitError> {
        self.leave();
        self.edits.extend([
            Edit::Set(OWNER.to_owned(), owner.to_bytes().into()),
            Edit::Add { name: FENCE.to_owned(), amount: 1, from: 0 },
        ]);
        if self.state == State::Retry {
            self.edits.push(Edit::Set(ATTEMPT.to_owned(), 0.into()));
        }
        let when = Condition::All(vec![
            Condition::equals(FENCE, held.fence),
            is_state(held.state.state()),
        ]);
        self.batch(key, when, store)
    }

    /// Whatever the outcome, the lease ends with it.
    fn leave(&mut self) {
        self.edits.extend([
            Edit::Set(STATE.to_owned(), self.state.code().into()),
            Edit::Remove(LEASE_END.to_owned()),
            Edit::Remove(LEASE.to_owned()),
        ]);
    }

    /// The record comes first: a store that refuses names the first condition that does not hold.
    fn batch(
        self,
        key: &RecordKey,
        when: Condition,
        store: &dyn Store,
    ) -> Result<Batch, CommitError> {
        let budget = store.budget();
        within("bytes of the result", self.result_bytes, budget.result_bytes)?;
        if self.writes.iter().any(|write| write.key.space == SPACE)
            || self.also.iter().any(is_on_records)
        {
            return Err(CommitError::ReservedSpace);
        }
        let mut batch = Batch::new().update(key.item().clone(), self.edits, when).from_reserve();
        for StateWrite { key, seen, content } in self.writes {
            batch = match content {
                Some(content) => batch.put(key, content, seen.condition()),
                None => batch.delete(key, seen.condition()),
            };
        }
        batch = self.also.into_iter().fold(batch, Batch::with);
        batch = store.emit(batch, self.emit);
        within("operations", batch.operations().len(), budget.operations)?;
        within("bytes", batch.bytes(), budget.bytes)?;
        batch.validate().map_err(|error| match error {
            headgate_store::Error::TooLarge { what, size, max } => {
                CommitError::TooLarge { what, size, max }
            }
            error => StoreError::Invalid(error.to_string()).into(),
        })?;
        Ok(batch)
    }
}

/// What a refusal behind the record means.
pub(crate) fn refused(batch: &Batch, refused: &Refused) -> CommitError {
    match batch.operations().get(refused.operation) {
        Some(Operation::Put { key, .. } | Operation::Delete { key, .. }) if key.space != SPACE => {
            CommitError::StateConflict { key: key.clone() }
        }
        _ => CommitError::Refused { index: refused.operation },
    }
}

fn is_on_records(operation: &Operation) -> bool {
    match operation {
        Operation::Put { key, .. }
        | Operation::Update { key, .. }
        | Operation::Delete { key, .. } => key.space == SPACE,
        _ => false,
    }
}

fn within(what: &'static str, size: usize, max: usize) -> Result<(), CommitError> {
    if size > max { Err(CommitError::TooLarge { what, size, max }) } else { Ok(()) }
}
