//! What was read and not kept is read again when there is room for it.

use std::{ops::Range, sync::Arc};

use headgate_types::Class;
use tokio::{task::JoinError, time::Instant};

use super::{RETRY, Run};
use crate::{
    Entry,
    consumer::{carry::Shared, prefix::Prefix, work::Work},
    log::ENTRIES_MAX,
};

/// Pieces of a class that wait in lanes, below which more of it is read again: where there is room
/// in the partition, and where there is none, so that no class runs dry.
const WAITING_MIN: usize = 256;
const DRY: usize = 32;

/// What was read again of a partition, from a place on, for a class.
#[derive(Debug)]
pub(super) struct Reread {
    class: Class,
    partition: u32,
    entries: Vec<Entry>,
    /// Where the log has nothing but the entries.
    known: Range<u64>,
}

impl Run {
    /// Reads again what there is room for, the classes in turn.
    pub(super) fn refill(&mut self) {
        if !self.rereads.is_empty() || self.alarms.reread.is_some() || self.is_paused {
            return;
        }
        let classes = Class::ALL.into_iter().cycle().skip(self.reread_last + 1);
        for class in classes.take(Class::ALL.len()) {
            let waiting = self.lanes.waiting(class);
            if waiting >= WAITING_MIN {
                continue;
            }
            let Some((partition, within)) = self.ahead.next(class) else { continue };
            if waiting < DRY || self.kept(partition) <= self.settings.room(class) {
                self.reread_last = class.index();
                let shared = Arc::clone(&self.shared);
                self.rereads.spawn(read_again(shared, class, (partition, within)));
                return;
            }
        }
    }

    /// Events of a partition that are kept.
    pub(super) fn kept(&self, partition: u32) -> usize {
        let open = self.prefixes.get(&partition).map_or(0, Prefix::open);
        open.saturating_sub(self.ahead.of(partition))
    }

    /// Takes on what was read again.
    pub(super) fn reread(&mut self, read: Result<Reread, JoinError>) {
        let Ok(Reread { class, partition, entries, known }) = read else { return };
        if known.is_empty() {
            self.alarms.reread = Some(Instant::now() + RETRY);
            return;
        }
        let Some(prefix) = self.prefixes.get_mut(&partition) else {
            return self.ahead.forget(&[partition]);
        };
        let kind = Arc::clone(&self.shared.handler.0.terms().kind);
        let found: Vec<_> = entries.iter().map(|entry| entry.offset).collect();
        // Nobody will see them, as if the handler had come too late for them altogether.
        for offset in self.ahead.gone(partition, known, &found) {
            prefix.settle(offset);
        }
        for entry in entries {
            if self.ahead.take(class, (partition, entry.offset))
                && let Some(work) = Work::of_entry(entry, &kind)
            {
                self.lanes.push(&Arc::clone(&work.key), work.class(), Arc::new(work));
            }
        }
    }
}

/// Reads entries, and where the log begins if there are none.
async fn read_again(
    shared: Arc<Shared>,
    class: Class,
    (partition, within): (u32, Range<u64>),
) -> Reread {
    let Shared { parts, topic, scope, .. } = &*shared;
    let rows = usize::try_from(within.end - within.start).unwrap_or(ENTRIES_MAX);
    let read = parts.log.read(topic, partition, within.start, rows).await;
    let entries = read.unwrap_or_else(|error| {
        tracing::warn!(%error, %scope, "entries are not read again");
        Vec::new()
    });
    let end = if let Some(last) = entries.last() {
        last.offset + 1
    } else {
        let bounds = parts.log.bounds(topic).await.ok().flatten().unwrap_or_default();
        let at = usize::try_from(partition).ok().and_then(|at| bounds.get(at));
        at.map_or(0, |bounds| bounds.first)
    };
    Reread { class, partition, entries, known: within.start..end }
}
