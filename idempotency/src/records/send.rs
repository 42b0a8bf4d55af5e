//! One write, with bounded retries, and with one's own write known again.

use std::time::Duration;

use headgate_store::{Batch, Durability, Refused};

use super::{Records, stats::count};
use crate::{
    key::RecordKey,
    protocol::Mark,
    record::Record,
    store::{StoreError, Written},
};

/// Tries of a batch that finds the store busy.
const BUSY_MAX: u32 = 6;
/// Times that a batch is sent again because nobody knows whether it was written.
const DOUBT_MAX: u32 = 3;
/// The longest first wait; it doubles from try to try.
const WAIT: Duration = Duration::from_millis(5);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_millis(200);

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Sent {
    Written { version: u64, durability: Option<Durability> },
    Refused(Refused),
}

impl Records {
    /// Sends a batch whose first operation is on the key's record, until it is known what became of
    /// it. A record that bears the mark tells that an earlier try was written.
    ///
    /// # Errors
    ///
    /// [`StoreError::InDoubt`] as soon as one try is in doubt and no later one makes it clear; any
    /// other error but [`StoreError::Refused`] says that nothing was written.
    pub(super) async fn send(
        &self,
        key: &RecordKey,
        batch: &Batch,
        mark: &Mark,
    ) -> Result<Sent, StoreError> {
        let (mut busy, mut doubts) = (0, 0);
        let mut doubt = None;
        loop {
            match self.inner.store.commit(batch.clone()).await {
                Ok(Written { version, durability }) => {
                    return Ok(Sent::Written { version, durability: Some(durability) });
                }
                Err(StoreError::Refused(refused)) => return own_or(key, refused, mark),
                Err(StoreError::Busy) if busy < BUSY_MAX => busy += 1,
                Err(StoreError::InDoubt(detail)) => {
                    doubt = Some(StoreError::InDoubt(detail));
                    doubts += 1;
                    count(&self.inner.counters.doubts);
                }
                Err(error) => return Err(doubt.unwrap_or(error)),
            }
            self.pause(busy + doubts).await;
            let Some(in_doubt) = &doubt else { continue };
            // Its conditions make a second write of the same batch harmless, but reading first
            // tells more: a write that somebody built on can't be told from one that was refused.
            match self.read(key).await {
                Ok(Some(record)) if mark.is_on(&record) => return Ok(own(&record)),
                Ok(_) if doubts <= DOUBT_MAX => {}
                _ => return Err(in_doubt.clone()),
            }
        }
    }

    /// Waits for a time by chance, up to twice as long as the last time: full jitter, as in Brooker,
    /// "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015).
    async fn pause(&self, tries: u32) {
        let most = WAIT.saturating_mul(1 << tries.min(16)).min(WAIT_MAX).as_micros();
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let micros = self.inner.random.bits() % most.max(1);
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }
}

fn own_or(key: &RecordKey, refused: Refused, mark: &Mark) -> Result<Sent, StoreError> {
    if refused.operation > 0 {
        return Ok(Sent::Refused(refused));
    }
    let record = refused.current.as_ref().map(|item| Record::read(key, item)).transpose()?;
    match record {
        Some(record) if mark.is_on(&record) => Ok(own(&record)),
        _ => Ok(Sent::Refused(refused)),
    }
}

fn own(record: &Record) -> Sent {
    Sent::Written { version: record.version, durability: None }
}

#[cfg(test)]
mod tests;
