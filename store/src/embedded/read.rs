//! Reads of one committed state.

use std::{collections::HashMap, ops::Bound};

use bytes::Bytes;
use headgate_types::UnixTime;
use redb::{ReadOnlyTable, ReadTransaction};

use super::{
    BOUNDS, DELAYED, DELETED, Definition, ENTRIES, EXPIRY, Heads, ITEMS, META, OFFSETS, SEQUENCE,
    TOPICS, fault, rows,
};
use crate::{
    engine::{Due, Entry, Failure, LogBounds, READ_BYTES_MAX, READ_ROWS_MAX},
    item::{Item, Key, from_millis, millis},
};

/// One committed state of the database.
pub(super) struct Reader {
    transaction: ReadTransaction,
}

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

impl Reader {
    pub(super) const fn new(transaction: ReadTransaction) -> Self {
        Self { transaction }
    }

    fn table(&self, table: Definition) -> Result<Table, Failure> {
        self.transaction.open_table(table).map_err(fault)
    }

    fn value<T>(
        &self,
        table: Definition,
        key: &[u8],
        parse: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let row = self.table(table)?.get(key).map_err(fault)?;
        row.map(|row| parse(row.value())).transpose()
    }

    pub(super) fn heads(&self) -> Result<Heads, Failure> {
        let mut heads = Heads {
            sequence: self.value(META, SEQUENCE, rows::number)?.unwrap_or_default(),
            ..Heads::default()
        };
        self.each(TOPICS, (Bound::Unbounded, Bound::Unbounded), |name, id| {
            let name = str::from_utf8(name).map_err(|_| rows::unreadable())?.to_owned();
            let id = u32::try_from(rows::number(id)?).map_err(|_| rows::unreadable())?;
            heads.topics.insert(name, id);
            Ok(true)
        })?;
        self.each(META, (Bound::Included(DELETED), Bound::Unbounded), |key, _| {
            let Some(id) = key.strip_prefix(DELETED) else { return Ok(false) };
            heads.deleted.insert(rows::parse_topic_key(id)?);
            Ok(true)
        })?;
        self.each(BOUNDS, (Bound::Unbounded, Bound::Unbounded), |key, row| {
            heads.logs.insert(rows::parse_log_key(key)?, rows::parse_bounds(row)?);
            Ok(true)
        })?;
        Ok(heads)
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
        self.value(ITEMS, &rows::item_key(key), rows::parse_item)
    }

    pub(super) fn scan(
        &self,
        space: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Item)>, Failure> {
        let prefix = rows::named(space);
        let mut first = prefix.clone();
        first.extend_from_slice(after.unwrap_or_default());
        let from = match after {
            Some(_) => Bound::Excluded(first.as_slice()),
            None => Bound::Included(first.as_slice()),
        };
        let mut found = Limited::new(limit);
        self.each(ITEMS, (from, Bound::Unbounded), |key, row| {
            let Some(key) = key.strip_prefix(prefix.as_slice()) else { return Ok(false) };
            found.push(row.len(), || Ok((Bytes::copy_from_slice(key), rows::parse_item(row)?)))
        })?;
        Ok(found.rows)
    }

    fn topic(&self, topic: &str) -> Result<Option<u32>, Failure> {
        let id = self.value(TOPICS, topic.as_bytes(), rows::number)?;
        id.map(|id| u32::try_from(id).map_err(|_| rows::unreadable())).transpose()
    }

    pub(super) fn log(&self, topic: &str, partition: u32) -> Result<Option<LogBounds>, Failure> {
        let Some(topic) = self.topic(topic)? else { return Ok(None) };
        self.value(BOUNDS, &rows::log_key(topic, partition), rows::parse_bounds)
    }

    pub(super) fn entries(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Failure> {
        let Some(topic) = self.topic(topic)? else { return Ok(Vec::new()) };
        let bounds = self.value(BOUNDS, &rows::log_key(topic, partition), rows::parse_bounds)?;
        let from = from.max(bounds.unwrap_or_default().start);
        let first = self.row_of(topic, partition, from)?;
        let last = rows::entry_key(topic, partition, u64::MAX);
        let range = (Bound::Included(first.as_slice()), Bound::Included(last.as_slice()));
        let mut found = Limited::new(limit);
        self.each(ENTRIES, range, |key, row| {
            for entry in rows::entries(key, row)? {
                let entry = entry?;
                if entry.offset >= from && !found.push(entry.payload.len(), || Ok(entry.entry()))? {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        Ok(found.rows)
    }

    /// The key of the row that holds an entry, or of the place where it would be.
    fn row_of(&self, topic: u32, partition: u32, offset: u64) -> Result<Vec<u8>, Failure> {
        let first = rows::entry_key(topic, partition, 0);
        let last = rows::run_key(topic, partition, offset, u32::MAX);
        let range = (Bound::Included(first.as_slice()), Bound::Included(last.as_slice()));
        let table = self.table(ENTRIES)?;
        let mut rows = redb::ReadableTable::range::<&[u8]>(&table, range).map_err(fault)?;
        match rows.next_back() {
            Some(row) => Ok(row.map_err(fault)?.0.value().to_vec()),
            None => Ok(first),
        }
    }

    pub(super) fn offset(
        &self,
        group: &str,
        topic: &str,
        partition: u32,
    ) -> Result<Option<u64>, Failure> {
        let Some(topic) = self.topic(topic)? else { return Ok(None) };
        self.value(OFFSETS, &rows::offset_key(topic, partition, group), rows::number)
    }

    pub(super) fn logs(&self) -> Result<Vec<(String, u32, LogBounds)>, Failure> {
        let Heads { topics, logs, deleted, .. } = self.heads()?;
        let names: HashMap<_, _> = topics.into_iter().map(|(name, id)| (id, name)).collect();
        let mut found = Vec::with_capacity(logs.len());
        for ((topic, partition), bounds) in logs {
            if deleted.contains(&topic) {
                continue;
            }
            let name = names.get(&topic).ok_or_else(rows::unreadable)?;
            found.push((name.clone(), partition, bounds));
        }
        found.sort_unstable_by(|(a, m, _), (b, n, _)| (a, m).cmp(&(b, n)));
        Ok(found)
    }

    pub(super) fn offsets(
        &self,
        topic: &str,
        partition: u32,
    ) -> Result<Vec<(String, u64)>, Failure> {
        let Some(topic) = self.topic(topic)? else { return Ok(Vec::new()) };
        let prefix = rows::log_key(topic, partition);
        let mut found = Limited::new(READ_ROWS_MAX);
        self.each(OFFSETS, (Bound::Included(&prefix), Bound::Unbounded), |key, row| {
            let Some(group) = key.strip_prefix(prefix.as_slice()) else { return Ok(false) };
            found.push(row.len(), || {
                let group = str::from_utf8(group).map_err(|_| rows::unreadable())?;
                Ok((group.to_owned(), rows::number(row)?))
            })
        })?;
        Ok(found.rows)
    }

    pub(super) fn due(
        &self,
        queue: &str,
        now: UnixTime,
        limit: usize,
    ) -> Result<Vec<Due>, Failure> {
        let prefix = rows::named(queue);
        let last = rows::delayed_key(queue, millis(now).saturating_add(1), &[]);
        let range = (Bound::Included(prefix.as_slice()), Bound::Excluded(last.as_slice()));
        let mut found = Limited::new(limit);
        self.each(DELAYED, range, |key, row| {
            found.push(row.len(), || {
                let due = from_millis(rows::big_endian(key, prefix.len())?);
                let id = key.get(prefix.len() + 8..).unwrap_or_default();
                let (id, payload) = (Bytes::copy_from_slice(id), Bytes::copy_from_slice(row));
                Ok(Due { due, id, payload })
            })
        })?;
        Ok(found.rows)
    }

    /// Every block that a table reaches is read, and so checked against its sum, once at least
    /// unless it is in the cache.
    pub(super) fn verify(&self) -> Result<(), Failure> {
        for table in [ITEMS, EXPIRY, TOPICS, BOUNDS, ENTRIES, OFFSETS, DELAYED, META] {
            self.each(table, (Bound::Unbounded, Bound::Unbounded), |_, _| Ok(true))?;
        }
        Ok(())
    }

    /// Visits rows in order until the visitor says no.
    fn each(
        &self,
        table: Definition,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let table = self.table(table)?;
        for row in redb::ReadableTable::range::<&[u8]>(&table, range).map_err(fault)? {
            let (key, value) = row.map_err(fault)?;
            if !visit(key.value(), value.value())? {
                break;
            }
        }
        Ok(())
    }
}

/// Rows up to a number and a size.
struct Limited<T> {
    rows: Vec<T>,
    left: usize,
    bytes: usize,
}

impl<T> Limited<T> {
    fn new(limit: usize) -> Self {
        Self { rows: Vec::new(), left: limit.min(READ_ROWS_MAX), bytes: 0 }
    }

    /// Tells whether there is room for more.
    fn push(
        &mut self,
        bytes: usize,
        row: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<bool, Failure> {
        if self.left == 0 {
            return Ok(false);
        }
        self.rows.push(row()?);
        self.left -= 1;
        self.bytes += bytes;
        Ok(self.left > 0 && self.bytes < READ_BYTES_MAX)
    }
}
