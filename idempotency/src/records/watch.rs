//! Workers that this process waits for, and since when they have not moved.

use std::{collections::HashMap, time::Duration};

use headgate_types::Moment;

use crate::{key::RecordKey, random::Owner, record::Record};

/// Keys that are watched at most. One that is forgotten is watched from the start again.
const WATCHED_MAX: usize = 4_096;

/// Since when a key has had the same owner with the same beat, by the monotonic clock: an owner
/// that did not beat for a whole lease is lost, however wrong the wall clocks are.
///
/// This is how the `DynamoDB` lock client judges leases.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: HashMap<RecordKey, Sight>,
}

#[derive(Debug)]
struct Sight {
    owner: Owner,
    beat: u64,
    since: Moment,
}

impl Watch {
    /// How long the owner has been seen with this beat; zero at first sight.
    pub(super) fn observe(&mut self, key: &RecordKey, record: &Record, now: Moment) -> Duration {
        let Record { owner, beat, .. } = *record;
        match self.seen.get_mut(key) {
            Some(sight) if sight.owner == owner && sight.beat == beat => now.since(sight.since),
            Some(sight) => {
                *sight = Sight { owner, beat, since: now };
                Duration::ZERO
            }
            None => {
                self.make_room();
                self.seen.insert(key.clone(), Sight { owner, beat, since: now });
                Duration::ZERO
            }
        }
    }

    pub(super) fn forget(&mut self, key: &RecordKey) {
        self.seen.remove(key);
    }

    /// Forgets what was seen first, the older half: nobody may be waiting for it any more.
    fn make_room(&mut self) {
        if self.seen.len() < WATCHED_MAX {
            return;
        }
        let mut since: Vec<_> = self.seen.values().map(|sight| sight.since).collect();
        since.sort_unstable();
        let middle = since.get(WATCHED_MAX / 2).copied().unwrap_or(Moment::NEVER);
        self.seen.retain(|_, sight| sight.since > middle);
    }
}

#[cfg(test)]
mod tests;
