//! Bugs that a worker can be given, each of which the simulation must find: a harness that misses
//! one proves nothing.

use std::sync::Arc;

use headgate_store::{Batch, Condition, Edit, Item, Key, Operation, Scalar};

use crate::{
    Answer, Store, Written,
    key::SPACE,
    record::{BEAT, FENCE, OWNER, STATE, State},
};

/// A mistake that others have made, or could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// A commit does not ask who owns the key.
    UnfencedCommit,
    /// A failed attempt deletes its record, as AWS Powertools' does.
    ReleaseDeletes,
    /// The consumer's offset is stored before the commit.
    OffsetFirst,
    /// The key of an effect outside depends on the attempt.
    EffectKeyOfAttempt,
    /// A takeover does not ask whether the worker has beaten.
    StealWithoutBeat,
    /// A claim does not ask whether the key is free.
    BlindClaim,
    /// State is written without asking for its version.
    BlindState,
    /// State and children are written before the record, and not with it.
    StateBeforeRecord,
    /// A lost worker's event is run again although its effect may have happened.
    HeldIsRetried,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::UnfencedCommit,
        Self::ReleaseDeletes,
        Self::OffsetFirst,
        Self::EffectKeyOfAttempt,
        Self::StealWithoutBeat,
        Self::BlindClaim,
        Self::BlindState,
        Self::StateBeforeRecord,
        Self::HeldIsRetried,
    ];
}

/// A store as a worker with a bug uses it.
#[derive(Debug)]
pub(crate) struct Mutant {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bug: Option<Bug>,
}

impl Store for Mutant {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        self.store.get(key)
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        let mut operations = batch.operations().to_vec();
        match self.bug {
            Some(Bug::StateBeforeRecord) if operations.len() > 1 => {
                let (record, rest): (Vec<_>, Vec<_>) =
                    operations.into_iter().partition(is_on_record);
                return Box::pin(async {
                    self.store.commit(assembled(rest)).await?;
                    self.store.commit(assembled(record)).await
                });
            }
            Some(bug) => {
                for operation in &mut operations {
                    mutate(bug, operation);
                }
            }
            None => {}
        }
        self.store.commit(assembled(operations))
    }

    fn offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
    ) -> Answer<'a, Option<u64>> {
        self.store.offset(group, topic, partition)
    }
}

fn assembled(operations: Vec<Operation>) -> Batch {
    operations.into_iter().fold(Batch::new(), Batch::with)
}

fn is_on_record(operation: &Operation) -> bool {
    matches!(operation, Operation::Put { key, .. } | Operation::Update { key, .. } if key.space == SPACE)
}

fn mutate(bug: Bug, operation: &mut Operation) {
    let on_record = is_on_record(operation);
    match (bug, operation) {
        (Bug::UnfencedCommit, Operation::Update { edits, when, .. })
            if on_record && becomes(edits, State::Done) =>
        {
            forget(when, &[OWNER, FENCE]);
        }
        (Bug::ReleaseDeletes, operation) => {
            if let Operation::Update { key, edits, .. } = operation
                && on_record
                && becomes(edits, State::Retry)
            {
                *operation = Operation::Delete { key: key.clone(), when: Condition::Always };
            }
        }
        (Bug::StealWithoutBeat, Operation::Put { when, .. }) if on_record => forget(when, &[BEAT]),
        (Bug::BlindClaim, Operation::Put { when, .. }) if on_record => *when = Condition::Always,
        (Bug::BlindState, Operation::Put { when, .. }) if !on_record => *when = Condition::Always,
        _ => {}
    }
}

fn becomes(edits: &[Edit], state: State) -> bool {
    edits.contains(&Edit::Set(STATE.to_owned(), Scalar::from(state.code())))
}

/// Takes what is asked of some attributes out of a condition.
fn forget(condition: &mut Condition, names: &[&str]) {
    match condition {
        Condition::Attribute { name, .. } if names.contains(&name.as_str()) => {
            *condition = Condition::Always;
        }
        Condition::All(conditions) | Condition::Any(conditions) => {
            for condition in conditions {
                forget(condition, names);
            }
        }
        _ => {}
    }
}
