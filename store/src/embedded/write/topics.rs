//! Topics: how one gets its number, and how one goes.

use std::{collections::HashSet, ops::Bound};

use redb::ReadableTable;

use super::{Rows, Writer};
use crate::{
    batch::{Done, Keep, PARTITION_MAX},
    embedded::{BOUNDS, META, TOPICS, fault, rows},
    engine::Failure,
};

/// Keeps no entry.
const NOTHING: Keep = Keep { since: None, bytes: Some(0), below: None };

impl Writer<'_> {
    /// The topic's number; a name that has none gets one.
    pub(super) fn topic(&mut self, name: &str) -> Result<u32, Failure> {
        if let Some(id) = self.heads.topics.get(name) {
            return Ok(*id);
        }
        let id = self.next_topic()?;
        let mut topics = self.transaction.open_table(TOPICS).map_err(fault)?;
        let row = u64::from(id).to_le_bytes();
        topics.insert(name.as_bytes(), row.as_slice()).map_err(fault)?;
        self.heads.topics.insert(name.to_owned(), id);
        Ok(id)
    }

    /// A number of which no row is left: the one above all in use, or a gap once there is none.
    fn next_topic(&self) -> Result<u32, Failure> {
        let used = || self.heads.topics.values().chain(&self.heads.deleted).copied();
        let Some(last) = used().max() else { return Ok(0) };
        if let Some(next) = last.checked_add(1) {
            return Ok(next);
        }
        let used: HashSet<_> = used().collect();
        (0..u32::MAX).find(|id| !used.contains(id)).ok_or_else(rows::unreadable)
    }

    /// Takes the name away, so that no read finds the topic. Everything else is left to sweeps,
    /// under a number that is not given again before it is gone.
    pub(super) fn delete_topic(&mut self, name: &str) -> Result<Done, Failure> {
        let Some(id) = self.heads.topics.remove(name) else {
            return Ok(Done::Deleted { existed: false });
        };
        let mut topics = self.transaction.open_table(TOPICS).map_err(fault)?;
        topics.remove(name.as_bytes()).map_err(fault)?;
        let mut meta = self.transaction.open_table(META).map_err(fault)?;
        meta.insert(rows::deleted_key(id).as_slice(), [].as_slice()).map_err(fault)?;
        self.heads.deleted.insert(id);
        Ok(Done::Deleted { existed: true })
    }

    /// Removes up to so many rows of deleted topics: entries, partitions, offsets, and one for the
    /// topic itself. Tells how many, and whether any is left.
    pub(super) fn reclaim(&mut self, rows_max: usize) -> Result<(usize, bool), Failure> {
        let mut removed = 0;
        while let Some(id) = self.heads.deleted.first().copied() {
            let logs = (id, 0)..=(id, PARTITION_MAX);
            while let Some((log, _)) = self.heads.logs.range(logs.clone()).next() {
                let log = *log;
                let (gone, left) = self.trim_log(log, &NOTHING, rows_max - removed)?;
                removed += gone;
                if left || removed == rows_max {
                    return Ok((removed, true));
                }
                self.forget_log(log)?;
                removed += 1;
            }
            let (gone, left) = remove_first(self.offsets.rows()?, id, rows_max - removed)?;
            removed += gone;
            if left || removed == rows_max {
                return Ok((removed, true));
            }
            let mut meta = self.transaction.open_table(META).map_err(fault)?;
            meta.remove(rows::deleted_key(id).as_slice()).map_err(fault)?;
            self.heads.deleted.remove(&id);
            removed += 1;
        }
        Ok((removed, false))
    }

    fn forget_log(&mut self, log: (u32, u32)) -> Result<(), Failure> {
        self.moved.remove(&log);
        self.heads.logs.remove(&log);
        let mut bounds = self.transaction.open_table(BOUNDS).map_err(fault)?;
        bounds.remove(rows::log_key(log.0, log.1).as_slice()).map_err(fault)?;
        Ok(())
    }
}

/// Removes up to so many rows whose key begins with a topic's number, and tells whether more are
/// there.
fn remove_first(rows: &mut Rows<'_>, topic: u32, max: usize) -> Result<(usize, bool), Failure> {
    let prefix = topic.to_be_bytes();
    let (mut keys, mut left) = (Vec::new(), false);
    let from = (Bound::Included(prefix.as_slice()), Bound::Unbounded);
    for row in rows.range::<&[u8]>(from).map_err(fault)? {
        let (key, _) = row.map_err(fault)?;
        if !key.value().starts_with(&prefix) {
            break;
        }
        left = keys.len() == max;
        if left {
            break;
        }
        keys.push(key.value().to_vec());
    }
    for key in &keys {
        rows.remove(key.as_slice()).map_err(fault)?;
    }
    Ok((keys.len(), left))
}
