//! A store in memory that does what a batch asks for in place, and counts.

use std::{
    collections::HashMap,
    future::ready,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use headgate_idempotency::{Answer, Store, StoreError, Written};
use headgate_store::{
    Batch, Condition, Content, Durability, Edit, Item, Key, Operation, Refused, Scalar,
};

/// Items in a hash map and entries in one list. It reads for free, as the embedded store does.
#[derive(Clone, Debug, Default)]
pub(super) struct FlatStore {
    state: Arc<Mutex<State>>,
    pub(super) commits: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    items: HashMap<Key, Item>,
    entries: Vec<Bytes>,
}

impl Store for FlatStore {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(ready(Ok(state.items.get(key).cloned())))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(ready(state.commit(&batch)))
    }

    fn offset<'a>(&'a self, _: &'a str, _: &'a str, _: u32) -> Answer<'a, Option<u64>> {
        Box::pin(ready(Ok(None)))
    }

    fn reads_first(&self) -> bool {
        true
    }
}

impl State {
    fn commit(&mut self, batch: &Batch) -> Result<Written, StoreError> {
        for (operation, at) in batch.operations().iter().zip(0..) {
            let (Operation::Put { key, when, .. } | Operation::Update { key, when, .. }) =
                operation
            else {
                continue;
            };
            let item = self.items.get(key);
            if !Condition::holds(when, item) {
                let current = item.cloned();
                return Err(StoreError::Refused(Refused { operation: at, current }));
            }
        }
        self.version += 1;
        for operation in batch.operations() {
            match operation {
                Operation::Put { key, content, .. } => self.put(key, content.clone()),
                Operation::Update { key, edits, .. } => {
                    let item = self.items.get(key);
                    let content = item.map(|item| item.content.clone()).unwrap_or_default();
                    self.put(key, edits.iter().fold(content, edited));
                }
                Operation::Append { payload, .. } => self.entries.push(payload.clone()),
                _ => return Err(StoreError::Invalid("not needed here".to_owned())),
            }
        }
        Ok(Written { version: self.version, durability: Durability::Memory })
    }

    fn put(&mut self, key: &Key, content: Content) {
        let item = Item { version: self.version, content };
        self.items.insert(key.clone(), item);
    }
}

fn edited(mut content: Content, edit: &Edit) -> Content {
    match edit {
        Edit::Set(name, value) => {
            content.attributes.insert(name.clone(), value.clone());
        }
        Edit::Add { name, amount, from } => {
            let attribute = content.attributes.entry(name.clone()).or_insert((*from).into());
            if let Scalar::Number(number) = attribute {
                *number += amount;
            }
        }
        Edit::Remove(name) => {
            content.attributes.remove(name);
        }
        Edit::Value(value) => content.value = value.clone(),
        Edit::Expires(expires) => content.expires = *expires,
    }
    content
}
