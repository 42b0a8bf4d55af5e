//! The embedded engine as a store of records.

use std::future::ready;

use headgate_store::{Batch, Error, Item, Key, Store as Embedded};

use crate::store::{Answer, Page, Scan, Store, StoreError, Written};

impl Store for Embedded {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        Box::pin(ready(Self::get(self, key).map_err(not_written)))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Written> {
        let waiting = match self.submit(batch) {
            Ok(waiting) => waiting,
            Err(error) => return Box::pin(ready(Err(not_written(error)))),
        };
        Box::pin(async {
            let ack = waiting.await.map_err(|error| match error {
                Error::Closed(closed) => StoreError::InDoubt(closed.to_string()),
                error => not_written(error),
            })?;
            Ok(Written { version: ack.sequence, durability: ack.durability })
        })
    }

    fn offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
    ) -> Answer<'a, Option<u64>> {
        Box::pin(ready(Self::offset(self, group, topic, partition).map_err(not_written)))
    }

    fn scan<'a>(&'a self, scan: Scan<'a>) -> Answer<'a, Page> {
        let Scan { space, matching, after, rows } = scan;
        let found = Self::scan(self, space, after.map(AsRef::as_ref), rows).map_err(not_written);
        Box::pin(ready(found.map(|found| Page::of(found, matching))))
    }

    /// Reads past the committer, mostly from memory.
    fn reads_first(&self) -> bool {
        true
    }

    fn shares_syncs(&self) -> bool {
        true
    }
}

/// An error that came before anything was handed to the engine, or instead of a write.
fn not_written(error: Error) -> StoreError {
    match error {
        Error::Refused(refused) => StoreError::Refused(refused),
        Error::Busy => StoreError::Busy,
        Error::Full => StoreError::Full,
        Error::TooLarge { .. } | Error::Invalid(_) => StoreError::Invalid(error.to_string()),
        error => StoreError::Unavailable(error.to_string()),
    }
}
