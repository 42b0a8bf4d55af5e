//! Bugs that a consumer can be given, each of which the simulation must find.

use headgate_idempotency::{Answer, Store, Written};
use headgate_store::{Batch, Condition, Item, Key, Operation};

use super::wild::Wild;

/// The space of the markers of keys that wait.
const MARKERS: &str = "hg.blocked";

/// A mistake that could have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// A key goes on without asking whether its marker is as it was seen, with an empty backlog.
    BlindUnblock,
    /// An event is put behind its key without asking whether the key still waits.
    BlindAdd,
}

impl Bug {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::BlindUnblock, Self::BlindAdd];

    /// Where the search begins: just before a seed that has found it.
    pub(super) fn first_seed(self) -> u64 {
        match self {
            Self::BlindUnblock => 58,
            Self::BlindAdd => 68,
        }
    }
}

/// A store as a consumer with a bug uses it.
#[derive(Debug)]
pub(super) struct Mutant {
    pub(super) store: Wild,
    pub(super) bug: Option<Bug>,
}

impl Store for Mutant {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        self.store.get(key)
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        let Some(bug) = self.bug else { return self.store.commit(batch) };
        let operations = batch.operations().iter().cloned();
        let mutated = operations.map(|operation| mutated(bug, operation));
        self.store.commit(mutated.fold(Batch::new(), Batch::with))
    }

    fn offset<'a>(&'a self, group: &'a str, topic: &'a str, at: u32) -> Answer<'a, Option<u64>> {
        Store::offset(&self.store, group, topic, at)
    }
}

fn mutated(bug: Bug, mut operation: Operation) -> Operation {
    match (bug, &mut operation) {
        (Bug::BlindUnblock, Operation::Delete { key, when }) if key.space == MARKERS => {
            *when = Condition::Always;
        }
        (Bug::BlindAdd, Operation::Update { key, when, .. }) if key.space == MARKERS => {
            *when = Condition::Always;
        }
        _ => {}
    }
    operation
}
