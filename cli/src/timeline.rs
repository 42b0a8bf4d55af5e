//! The timeline: every move of a limit, every breaker's transition and every change of the
//! configuration, with its reason, kept in the embedded store.

mod changes;
mod watched;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use headgate_admin::{FactsAsk, History, HistoryEntry};
use headgate_store::{Batch, Done, Keep, Store};
use headgate_types::{Clock, UnixTime};
use parking_lot::Mutex;

use self::changes::Changes;
pub(crate) use self::watched::Watched;

/// The log of entries in the store.
const TOPIC: &str = "timeline/edge";
const PARTITION: u32 = 0;
/// Bytes of entries that are kept at most: weeks of a calm edge, hours of one that is always at its
/// limits.
const KEPT_BYTES_MAX: u64 = 16 << 20;
/// How long entries are kept.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);
/// Entries that are kept in memory where there is no store.
const ENTRIES_MAX: usize = 1_000;
/// Blocks that one page reads at most.
const PAGE_BLOCKS_MAX: usize = 512;
/// Steps of one trim at most; what is left is for the next.
const TRIM_STEPS_MAX: usize = 100;

/// What has moved and changed. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    store: Option<Store>,
    recent: Arc<Mutex<VecDeque<(UnixTime, HistoryEntry)>>>,
}

impl Timeline {
    /// Keeps entries in the store, or in memory where there is none.
    pub(crate) fn of(store: Option<&Store>) -> Self {
        Self { store: store.cloned(), recent: Arc::default() }
    }

    /// Writes entries of one moment.
    ///
    /// # Cancel safety
    ///
    /// Entries that are being written are written all the same.
    pub(crate) async fn write(&self, entries: Vec<HistoryEntry>, now: UnixTime) {
        if entries.is_empty() {
            return;
        }
        let Some(store) = &self.store else {
            let mut recent = self.recent.lock();
            for entry in entries {
                if recent.len() == ENTRIES_MAX {
                    recent.pop_front();
                }
                recent.push_back((now, entry));
            }
            return;
        };
        let mut block = Vec::new();
        for entry in &entries {
            // An entry is made of texts, which JSON can always hold.
            if serde_json::to_writer(&mut block, entry).is_ok() {
                block.push(b'\n');
            }
        }
        let batch = Batch::new().append(TOPIC, PARTITION, now, block);
        if let Err(error) = store.commit(batch).await {
            tracing::debug!(%error, "timeline not written");
        }
    }

    /// Removes what is too old, or too much.
    pub(crate) async fn trim(&self, clock: &dyn Clock) {
        let Some(store) = &self.store else { return };
        let since = clock.unix_time().as_duration().saturating_sub(KEPT_FOR);
        let since = Some(UnixTime::from_duration(since));
        let keep = Keep { since, bytes: Some(KEPT_BYTES_MAX), below: None };
        for _ in 0..TRIM_STEPS_MAX {
            let trimmed = store.commit(Batch::trim(TOPIC, PARTITION, keep)).await;
            let Ok([Done::Removed { more: true, .. }]) = trimmed.as_ref().map(|ack| &*ack.done)
            else {
                return;
            };
        }
    }

    /// A page of entries, the oldest first. May wait for the disk.
    pub(crate) fn page(&self, ask: FactsAsk, now: UnixTime) -> History {
        let since = UnixTime::from_duration(now.as_duration().saturating_sub(ask.since));
        let Some(store) = &self.store else {
            let recent = self.recent.lock();
            let entries = recent.iter().filter(|(time, _)| *time >= since);
            let entries = entries.map(|(_, entry)| entry.clone()).collect();
            return History { entries, next: None, is_kept: false };
        };
        let read = store.read(TOPIC, PARTITION, ask.after.unwrap_or(0), PAGE_BLOCKS_MAX);
        let blocks = read.unwrap_or_else(|error| {
            tracing::warn!(code = error.code(), %error, "timeline can't be read");
            Vec::new()
        });
        let next = blocks.last().map(|last| last.offset + 1);
        let lines = blocks.iter().filter(|block| block.time >= since).flat_map(|block| {
            // Of a later version's entry that can't be read, the others are told.
            block
                .payload
                .split(|byte| *byte == b'\n')
                .filter_map(|line| serde_json::from_slice(line).ok())
        });
        History { entries: lines.collect(), next, is_kept: true }
    }
}

#[cfg(test)]
mod tests;
