//! The store as it truly is: sees every batch that is written, and judges it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use headgate_store::{Batch, Item, Key, Operation, Scalar};
use parking_lot::Mutex;

use super::{
    event::{CHILDREN, Event, GROUP, TOPIC},
    worker::FENCED_BY,
};
use crate::{
    Answer, Store, StoreError, Written,
    key::SPACE,
    record::{ATTEMPT, FENCE, OWNER, Record, STATE as STATE_ATTRIBUTE, State},
    testing::MemoryStore,
};

/// A store in memory that is watched.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    pub(crate) store: MemoryStore,
    seen: Arc<Mutex<Seen>>,
    /// The events of the log, by offset.
    log: Arc<Vec<Event>>,
}

#[derive(Debug, Default)]
struct Seen {
    steps: usize,
    history: blake3::Hasher,
    /// Results that took effect, by the record's key.
    done: BTreeMap<Bytes, Bytes>,
    /// Claims that were taken over from a worker, by the record's key.
    losses: BTreeMap<Bytes, u32>,
    violation: Option<String>,
}

impl Witness {
    pub(crate) fn new(log: Vec<Event>) -> Self {
        Self { store: MemoryStore::new(), seen: Arc::default(), log: Arc::new(log) }
    }

    pub(crate) fn log(&self) -> &[Event] {
        &self.log
    }

    /// Batches that were written.
    pub(crate) fn steps(&self) -> usize {
        self.seen.lock().steps
    }

    /// A hash of everything that was written, in order.
    pub(crate) fn history(&self) -> [u8; 32] {
        *self.seen.lock().history.finalize().as_bytes()
    }

    pub(crate) fn losses(&self, event: Event) -> u32 {
        self.seen.lock().losses.get(&event.key().item().key).copied().unwrap_or_default()
    }

    /// The first thing that must not be.
    pub(crate) fn violation(&self) -> Option<String> {
        self.seen.lock().violation.clone()
    }

    pub(crate) fn violate(&self, what: String) {
        self.seen.lock().violation.get_or_insert(what);
    }

    /// What a worker was told of a key must be what took effect.
    pub(crate) fn answered(&self, event: Event, result: &Bytes) {
        let done = self.seen.lock().done.get(&event.key().item().key).cloned();
        if done.as_ref() != Some(result) {
            self.violate(format!("{} was answered {result:?}, not {done:?}", event.name()));
        }
    }

    pub(crate) fn record(&self, event: Event) -> Option<Record> {
        let item = self.store.engine().get(event.key().item()).ok().flatten()?;
        Record::read(&event.key(), &item).ok()
    }

    pub(crate) fn children(&self) -> Vec<Bytes> {
        let entries = self.store.engine().read(CHILDREN, 0, 0, usize::MAX);
        entries.unwrap_or_default().into_iter().map(|entry| entry.payload).collect()
    }

    pub(crate) fn offset(&self) -> u64 {
        self.store.engine().offset(GROUP, TOPIC, 0).ok().flatten().unwrap_or_default()
    }

    pub(crate) fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let failed = |_| StoreError::Unavailable("the engine failed".to_owned());
        self.store.engine().get(key).map_err(failed)
    }

    /// Writes a batch, and judges it.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<Written, StoreError> {
        let (before, offset) = (self.item(batch), self.offset());
        let written = self.store.write(batch)?;
        self.judge(batch, before.as_ref(), offset);
        Ok(written)
    }

    fn item(&self, batch: &Batch) -> Option<Item> {
        let key = record_key(batch)?;
        self.store.engine().get(key).ok().flatten()
    }

    /// Judges a batch by what stood there before and after.
    fn judge(&self, batch: &Batch, before: Option<&Item>, offset: u64) {
        let after = self.item(batch);
        let mut seen = self.seen.lock();
        seen.steps += 1;
        seen.history.update(format!("{batch:?}").as_bytes());
        if let (Some(key), Some(after)) = (record_key(batch), &after) {
            let what = seen.judge_record(&key.key, before, after);
            if let Err(what) = what {
                seen.violation.get_or_insert(what);
            }
        }
        drop(seen);
        for passed in self.log.iter().zip(0..self.offset()).skip_while(|(_, at)| *at < offset) {
            let state = self.record(*passed.0).map(|record| record.state);
            if state.is_none_or(|state| state == State::Run) {
                self.violate(format!("the offset passed {}, which is {state:?}", passed.0.name()));
            }
        }
    }
}

impl Seen {
    fn judge_record(
        &mut self,
        key: &Bytes,
        before: Option<&Item>,
        after: &Item,
    ) -> Result<(), String> {
        let name = String::from_utf8_lossy(key).into_owned();
        let (was, is) = (before.map(state), state(after));
        if is == "DONE" && was.as_deref() != Some("DONE") {
            let result = after.content.value.clone();
            if let Some(earlier) = self.done.insert(key.clone(), result.clone()) {
                return Err(format!("{name} took effect as {earlier:?} and as {result:?}"));
            }
            let text = String::from_utf8_lossy(&result).into_owned();
            let by = text.rsplit_once(FENCED_BY).map_or("", |(_, fence)| fence);
            if !by.is_empty() && by != number(after, FENCE).to_string() {
                return Err(format!("{name} took effect although its worker is fenced: {text}"));
            }
        }
        let Some(before) = before else { return Ok(()) };
        if was.as_deref() == Some("DONE") && is != "DONE" {
            return Err(format!("{name} was done, and is {is}"));
        }
        let changed =
            |name: &str| before.content.attributes.get(name) != after.content.attributes.get(name);
        if is != "RUN" || !changed(OWNER) {
            return Ok(());
        }
        if was.as_deref() == Some("RUN") {
            *self.losses.entry(key.clone()).or_default() += 1;
        }
        let (had, has) = (number(before, ATTEMPT), number(after, ATTEMPT));
        if has <= had {
            return Err(format!("{name} had {had} attempts, and the next is number {has}"));
        }
        let journal = |item: &Item| -> BTreeSet<_> {
            let effects = item.content.attributes.iter();
            effects
                .filter(|(name, _)| name.starts_with("e."))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect()
        };
        if journal(before) != journal(after) {
            return Err(format!("{name} was taken over without what its worker had journaled"));
        }
        Ok(())
    }
}

fn state(item: &Item) -> String {
    match item.content.attributes.get(STATE_ATTRIBUTE) {
        Some(Scalar::Bytes(state)) => String::from_utf8_lossy(state).into_owned(),
        _ => String::new(),
    }
}

fn number(item: &Item, name: &str) -> u64 {
    match item.content.attributes.get(name) {
        Some(Scalar::Number(number)) => *number,
        _ => 0,
    }
}

/// The record that a batch writes.
fn record_key(batch: &Batch) -> Option<&Key> {
    batch.operations().iter().find_map(|operation| match operation {
        Operation::Put { key, .. }
        | Operation::Update { key, .. }
        | Operation::Delete { key, .. }
            if key.space == SPACE =>
        {
            Some(key)
        }
        _ => None,
    })
}

impl Store for Witness {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        Box::pin(async { Self::get(self, key) })
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        Box::pin(async move { Self::commit(self, &batch) })
    }

    fn offset<'a>(&'a self, _: &'a str, _: &'a str, _: u32) -> Answer<'a, Option<u64>> {
        Box::pin(async { Ok(Some(Self::offset(self))) })
    }
}
