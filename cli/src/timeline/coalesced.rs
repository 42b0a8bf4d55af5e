//! What of an edge's timeline is worth the log of all edges: bounded, with fast moves joined.

use std::{collections::HashMap, time::Duration};

use headgate_admin::HistoryEntry;
use headgate_types::Moment;

/// The least time between two entries about one limit. Moves between them are told as one.
const MOVES_EVERY: Duration = Duration::from_secs(5);
/// Entries that one edge adds in a second at most; what is more is dropped and counted.
const PER_SECOND_MAX: usize = 20;
const SECOND: Duration = Duration::from_secs(1);
const LIMIT: &str = "limit";
/// Stands in the log of operators' changes, once for all edges.
const OVERLAY: &str = "overlay";

/// Joins the moves of limits, and keeps to the rate.
#[derive(Debug, Default)]
pub(super) struct Coalesced {
    /// Limits that were told within [`MOVES_EVERY`].
    limits: HashMap<String, Limit>,
    /// Since when is counted, and how many were told since then.
    second: Option<(Moment, usize)>,
}

#[derive(Debug)]
struct Limit {
    told_at: Moment,
    /// What has moved since, and in how many moves.
    waits: Option<(HistoryEntry, u32)>,
}

/// What is to be told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) told: Vec<HistoryEntry>,
    /// How many were one too many.
    pub(super) dropped: usize,
}

impl Coalesced {
    /// What is to be told by now, with these entries. Called twice a second, also without any, it
    /// tells what waits in time.
    pub(super) fn take(&mut self, entries: &[HistoryEntry], now: Moment) -> Taken {
        let mut told = Vec::new();
        for entry in entries.iter().filter(|entry| entry.kind != OVERLAY) {
            if entry.kind != LIMIT {
                told.push(entry.clone());
            } else if let Some(limit) = self.limits.get_mut(&entry.what) {
                limit.join(entry);
            } else {
                told.push(entry.clone());
                self.limits.insert(entry.what.clone(), Limit { told_at: now, waits: None });
            }
        }
        self.limits.retain(|_, limit| {
            if now.since(limit.told_at) < MOVES_EVERY {
                return true;
            }
            let Some((entry, moves)) = limit.waits.take() else { return false };
            told.push(HistoryEntry { reason: reason(entry.reason, moves), ..entry });
            limit.told_at = now;
            true
        });
        // Limits move by themselves; what people did counts more.
        told.sort_by_key(|entry| entry.kind == LIMIT);
        let dropped = self.spend(&mut told, now);
        Taken { told, dropped }
    }

    /// Leaves what the second has room for, and tells how many that leaves out.
    fn spend(&mut self, told: &mut Vec<HistoryEntry>, now: Moment) -> usize {
        let (began, spent) =
            self.second.filter(|(began, _)| now.since(*began) < SECOND).unwrap_or((now, 0));
        let room = PER_SECOND_MAX.saturating_sub(spent);
        let dropped = told.len().saturating_sub(room);
        told.truncate(room);
        self.second = Some((began, spent + told.len()));
        dropped
    }
}

impl Limit {
    /// Adds a move to what waits: from where the first one began to where this one ends.
    fn join(&mut self, entry: &HistoryEntry) {
        let (from, moves) = match self.waits.take() {
            Some((first, moves)) => (first.from, moves.saturating_add(1)),
            None => (entry.from.clone(), 1),
        };
        self.waits = Some((HistoryEntry { from, ..entry.clone() }, moves));
    }
}

fn reason(last: String, moves: u32) -> String {
    if moves == 1 { last } else { format!("{last}, the last of {moves} moves") }
}

#[cfg(test)]
mod tests;
