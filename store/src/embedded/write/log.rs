//! Entries of logs: appended in rows of many, removed from the front.

use std::mem;

use redb::ReadableTable;

use super::Writer;
use crate::{
    batch::{Done, Keep, STEP_ROWS_MAX},
    embedded::{BOUNDS, fault, rows},
    engine::{Failure, LogBounds},
    item::millis,
};

/// Bytes of redb's pages that a row of several entries fills, the largest first. A value takes a
/// page of its own, of a power of two, when it does not fit into the smallest.
const PAGES: [usize; 3] = [16 << 10, 8 << 10, 4 << 10];
/// Bytes of a page that its one row does not get.
const PAGE_OVERHEAD: usize = 64;
/// Bytes before an entry that tell its length.
const LENGTH: usize = 4;

/// Entries of one partition that follow each other.
#[derive(Debug, Default)]
pub(super) struct Run {
    first: u64,
    bytes: Vec<u8>,
    /// Where each entry ends.
    ends: Vec<usize>,
}

impl Writer<'_> {
    pub(super) fn append(
        &mut self,
        (topic, partition): (&str, u32),
        time: u64,
        payload: &[u8],
    ) -> Result<Done, Failure> {
        let log = (self.topic(topic)?, partition);
        let bounds = self.heads.logs.entry(log).or_default();
        let offset = bounds.end;
        bounds.end += 1;
        bounds.bytes += payload.len() as u64 + rows::ENTRY_OVERHEAD;
        self.moved.insert(log);
        let run = self.runs.entry(log).or_insert_with(|| Run { first: offset, ..Run::default() });
        rows::push_entry(&mut run.bytes, time, payload);
        run.ends.push(run.bytes.len());
        Ok(Done::Appended { offset })
    }

    /// Writes what was appended, a partition after the other and many entries to a row: a row costs
    /// about the same whatever it holds.
    pub(super) fn write_runs(&mut self) -> Result<(), Failure> {
        for ((topic, partition), run) in mem::take(&mut self.runs) {
            let (mut at, mut first, mut ends) = (0, run.first, run.ends.as_slice());
            while !ends.is_empty() {
                let (taken, rest) = ends.split_at(taken(at, ends));
                let (end, count) = (taken.last().copied().unwrap_or(at), taken.len());
                let from = if count == 1 { at + LENGTH } else { at };
                let row = run.bytes.get(from..end).ok_or_else(rows::unreadable)?;
                let entries = u32::try_from(count).map_err(|_| rows::unreadable())?;
                let key = rows::run_key(topic, partition, first, entries);
                self.entries.rows()?.insert(key.as_slice(), row).map_err(fault)?;
                (at, first, ends) = (end, first + count as u64, rest);
            }
        }
        Ok(())
    }

    pub(super) fn trim(
        &mut self,
        topic: &str,
        partition: u32,
        keep: &Keep,
    ) -> Result<Done, Failure> {
        let Some(topic) = self.heads.topics.get(topic).copied() else {
            return Ok(Done::Removed { rows: 0, more: false });
        };
        let (rows, more) = self.trim_log((topic, partition), keep, STEP_ROWS_MAX)?;
        Ok(Done::Removed { rows, more })
    }

    /// Removes up to so many entries from the front. A row goes with its last entry; until then
    /// the log's start lies inside of it.
    pub(super) fn trim_log(
        &mut self,
        log: (u32, u32),
        keep: &Keep,
        max: usize,
    ) -> Result<(usize, bool), Failure> {
        self.write_runs()?;
        let Some(bounds) = self.heads.logs.get_mut(&log) else { return Ok((0, false)) };
        let first = rows::entry_key(log.0, log.1, 0);
        let last = rows::entry_key(log.0, log.1, bounds.end);
        let (mut removed, mut more, mut old) = (0, false, Vec::new());
        let entries = self.entries.rows()?;
        'rows: for row in entries.range(first.as_slice()..last.as_slice()).map_err(fault)? {
            let (key, row) = row.map_err(fault)?;
            for entry in rows::entries(key.value(), row.value())? {
                let entry = entry?;
                if entry.offset < bounds.start {
                    continue;
                }
                let goes = goes(keep, bounds, entry.time);
                more = goes && removed == max;
                if !goes || more {
                    break 'rows;
                }
                bounds.start += 1;
                bounds.bytes = bounds.bytes.saturating_sub(entry.bytes());
                removed += 1;
            }
            old.push(key.value().to_vec());
        }
        for row in &old {
            entries.remove(row.as_slice()).map_err(fault)?;
        }
        self.moved.insert(log);
        Ok((removed, more))
    }

    /// Writes the bounds that moved.
    pub(super) fn write_bounds(&mut self) -> Result<(), Failure> {
        let mut bounds = self.transaction.open_table(BOUNDS).map_err(fault)?;
        for (topic, partition) in mem::take(&mut self.moved) {
            if let Some(log) = self.heads.logs.get(&(topic, partition)) {
                let row = rows::log_key(topic, partition);
                bounds.insert(row.as_slice(), rows::bounds(log).as_slice()).map_err(fault)?;
            }
        }
        Ok(())
    }
}

/// How many of the entries that begin at a place become one row: as many as fill the largest page
/// that they fill.
fn taken(at: usize, ends: &[usize]) -> usize {
    let left = ends.last().map_or(0, |end| end - at);
    let page = PAGES.iter().find(|page| **page - PAGE_OVERHEAD <= left);
    let room = page.map_or(left, |page| page - PAGE_OVERHEAD);
    ends.partition_point(|end| end - at <= room).max(1)
}

/// Whether the first entry of a partition goes.
fn goes(keep: &Keep, bounds: &LogBounds, time: u64) -> bool {
    let protected = keep.below.is_some_and(|below| bounds.start >= below);
    let too_old = keep.since.is_some_and(|since| time < millis(since));
    let too_many = keep.bytes.is_some_and(|bytes| bounds.bytes > bytes);
    !protected && (too_old || too_many)
}

#[cfg(test)]
mod tests;
