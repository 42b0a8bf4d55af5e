//! A store in memory that answers at once.

use std::{future::ready, sync::Arc};

use bytes::Bytes;
use headgate_store::{Batch, Engine, Error, Failure, Item, Key, testing::Memory};

use crate::{
    store::{Answer, Page, Scan, Store, StoreError, Written},
    testing::suite::{FAR, Subject},
};

/// The store crate's model as a store of records. Clones are the same one. It reads by request, as
/// remote stores do, so that the protocol learns from refusals.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    engine: Arc<Memory>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self { engine: Arc::new(Memory::new()) }
    }

    /// Writes a batch, at once.
    pub(super) fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        commit(&self.engine, batch)
    }

    /// The engine, to look into.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }
}

impl Subject for MemoryStore {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn emitted<'a>(&'a self, topic: &'a str) -> Answer<'a, Vec<Bytes>> {
        let entries = self.engine.read(topic, 0, 0, usize::MAX).map_err(unavailable);
        Box::pin(ready(entries.map(|found| found.into_iter().map(|entry| entry.payload).collect())))
    }

    fn delayed<'a>(&'a self, queue: &'a str) -> Answer<'a, Vec<Bytes>> {
        let entries = self.engine.due(queue, FAR, usize::MAX).map_err(unavailable);
        Box::pin(ready(entries.map(|found| found.into_iter().map(|due| due.payload).collect())))
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        Box::pin(ready(self.engine.get(key).map_err(unavailable)))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        Box::pin(ready(self.write(&batch)))
    }

    fn offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
    ) -> Answer<'a, Option<u64>> {
        Box::pin(ready(self.engine.offset(group, topic, partition).map_err(unavailable)))
    }

    fn scan<'a>(&'a self, scan: Scan<'a>) -> Answer<'a, Page> {
        let Scan { space, matching, after, rows } = scan;
        let found = self.engine.scan(space, after.map(AsRef::as_ref), rows).map_err(unavailable);
        Box::pin(ready(found.map(|found| Page::of(found, matching))))
    }
}

fn commit(engine: &Memory, batch: &Batch) -> Result<Written, StoreError> {
    batch.validate().map_err(|error| StoreError::Invalid(error.to_string()))?;
    let verdicts = engine.commit(std::slice::from_ref(batch)).map_err(unavailable)?;
    match verdicts.into_iter().next() {
        Some(Ok(ack)) => Ok(Written { version: ack.sequence, durability: ack.durability }),
        Some(Err(Error::Refused(refused))) => Err(StoreError::Refused(refused)),
        Some(Err(error)) => Err(StoreError::Invalid(error.to_string())),
        None => Err(StoreError::Unavailable("the engine gave no verdict".to_owned())),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` asks for")]
fn unavailable(failure: Failure) -> StoreError {
    StoreError::Unavailable(failure.to_string())
}
