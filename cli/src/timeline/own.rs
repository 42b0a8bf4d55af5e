//! What this edge keeps of its timeline itself: in the embedded store, or in memory.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use headgate_admin::HistoryEntry;
use headgate_events::fresh_id;
use headgate_idempotency::OsRandom;
use headgate_store::{Batch, Condition, Content, Done, Error, Keep, Key, Store};
use headgate_types::{Clock, UnixTime};
use parking_lot::Mutex;

use super::page::{Piece, Side};

/// The log of entries in the store.
const TOPIC: &str = "timeline/edge";
const PARTITION: u32 = 0;
/// Where the store has its own name.
const SPACE: &str = "timeline";
const ORIGIN: &str = "origin";
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

/// What has moved and changed here. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Own {
    store: Option<Store>,
    recent: Arc<Mutex<Recent>>,
}

/// The last entries, each with its number.
#[derive(Debug, Default)]
struct Recent {
    next: u64,
    entries: VecDeque<(u64, UnixTime, HistoryEntry)>,
}

impl Own {
    /// Keeps entries in the store, or in memory where there is none.
    pub(super) fn of(store: Option<&Store>) -> Self {
        Self { store: store.cloned(), recent: Arc::default() }
    }

    /// Whether entries outlast the process.
    pub(super) const fn is_kept(&self) -> bool {
        self.store.is_some()
    }

    /// A name for whoever keeps these entries, which outlasts the process as far as they do.
    /// May wait for the disk.
    pub(super) fn origin(&self) -> String {
        let fresh = fresh_id(&OsRandom);
        let Some(store) = &self.store else { return fresh };
        named(store, &fresh).unwrap_or_else(|error| {
            // Entries of before may be told twice, which is better than not at all.
            tracing::warn!(code = error.code(), %error, "the timeline's own name can't be kept");
            fresh
        })
    }

    /// Writes entries of one moment.
    ///
    /// # Cancel safety
    ///
    /// Entries that are being written are written all the same.
    pub(super) async fn write(&self, entries: Vec<HistoryEntry>, now: UnixTime) {
        if entries.is_empty() {
            return;
        }
        let Some(store) = &self.store else { return self.recent.lock().take(entries, now) };
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
    pub(super) async fn trim(&self, clock: &dyn Clock) {
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

    /// Entries of a time from a place on, the oldest first. May wait for the disk.
    pub(super) fn read(&self, since: UnixTime, from: u64) -> Side {
        let Some(store) = &self.store else { return self.recent.lock().read(since, from) };
        let read = store.read(TOPIC, PARTITION, from, PAGE_BLOCKS_MAX);
        let blocks = read.unwrap_or_else(|error| {
            tracing::warn!(code = error.code(), %error, "timeline can't be read");
            Vec::new()
        });
        let is_more = blocks.len() == PAGE_BLOCKS_MAX;
        let piece = |block: headgate_store::Entry| {
            // Of a later version's entry that can't be read, the others are told.
            let lines = block.payload.split(|byte| *byte == b'\n');
            let entries = lines.filter_map(|line| serde_json::from_slice(line).ok());
            let entries = if block.time < since { Vec::new() } else { entries.collect() };
            Piece { time: block.time, next: block.offset + 1, entries }
        };
        Side { pieces: blocks.into_iter().map(piece).collect(), is_more }
    }
}

/// The name that the store has, or gets.
fn named(store: &Store, fresh: &str) -> Result<String, Error> {
    let key = Key::new(SPACE, ORIGIN);
    let known =
        |item: headgate_store::Item| String::from_utf8_lossy(&item.content.value).into_owned();
    if let Some(item) = store.get(&key)? {
        return Ok(known(item));
    }
    let content = Content { value: fresh.to_owned().into(), ..Content::default() };
    let put = Batch::new().put(key.clone(), content, Condition::Absent);
    // Whoever was first has named it.
    let put = store.submit(put)?.wait();
    match store.get(&key)? {
        Some(item) => Ok(known(item)),
        None => put.map(|_| fresh.to_owned()),
    }
}

impl Recent {
    fn take(&mut self, entries: Vec<HistoryEntry>, now: UnixTime) {
        for entry in entries {
            if self.entries.len() == ENTRIES_MAX {
                self.entries.pop_front();
            }
            self.entries.push_back((self.next, now, entry));
            self.next += 1;
        }
    }

    fn read(&self, since: UnixTime, from: u64) -> Side {
        let wanted = self.entries.iter().filter(|(at, time, _)| *at >= from && *time >= since);
        let piece = |(at, time, entry): &(u64, UnixTime, HistoryEntry)| Piece {
            time: *time,
            next: at + 1,
            entries: vec![entry.clone()],
        };
        Side { pieces: wanted.map(piece).collect(), is_more: false }
    }
}

#[cfg(test)]
mod tests;
