//! Batches against a write transaction: first every condition, then every change.

use std::{collections::BTreeSet, ops::Bound};

use headgate_types::UnixTime;
use redb::{ReadableTable, Table, WriteTransaction};

use super::{
    BOUNDS, DELAYED, ENTRIES, EXPIRY, Heads, ITEMS, LOGS_MAX, META, OFFSETS, SEQUENCE, TOPICS,
    fault, rows,
};
use crate::{
    batch::{Ack, Batch, Done, Durability, Keep, Operation, STEP_ROWS_MAX},
    engine::{Failure, LogBounds, Refused, Verdict},
    error::Error,
    item::{Condition, Content, Edit, Item, Key, millis},
};

/// Carries out each batch against what those before it left. Nothing is durable yet.
pub(super) fn carry_out(
    transaction: &WriteTransaction,
    heads: &mut Heads,
    group: &[Batch],
) -> Result<Vec<Verdict>, Failure> {
    let mut writer = Writer::new(transaction, heads)?;
    let verdicts = group.iter().map(|batch| writer.batch(batch)).collect::<Result<_, _>>()?;
    writer.finish()?;
    Ok(verdicts)
}

type Rows<'t> = Table<'t, &'static [u8], &'static [u8]>;

struct Writer<'t> {
    items: Rows<'t>,
    expiry: Rows<'t>,
    entries: Rows<'t>,
    offsets: Rows<'t>,
    delayed: Rows<'t>,
    transaction: &'t WriteTransaction,
    heads: &'t mut Heads,
    /// Partitions whose bounds are written once, at the end of the group.
    moved: BTreeSet<(u32, u32)>,
}

/// An item's change whose condition holds.
struct Change {
    row: Vec<u8>,
    before: Option<Item>,
    after: Option<Content>,
}

/// What stands against a batch: a verdict on it, or a failure of the engine.
enum Against {
    Verdict(Error),
    Failure(Failure),
}

impl From<Failure> for Against {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl<'t> Writer<'t> {
    fn new(transaction: &'t WriteTransaction, heads: &'t mut Heads) -> Result<Self, Failure> {
        let open = |table| transaction.open_table(table).map_err(fault);
        Ok(Self {
            items: open(ITEMS)?,
            expiry: open(EXPIRY)?,
            entries: open(ENTRIES)?,
            offsets: open(OFFSETS)?,
            delayed: open(DELAYED)?,
            transaction,
            heads,
            moved: BTreeSet::new(),
        })
    }

    fn batch(&mut self, batch: &Batch) -> Result<Verdict, Failure> {
        let changes = match self.check(batch) {
            Ok(changes) => changes,
            Err(Against::Verdict(error)) => return Ok(Err(error)),
            Err(Against::Failure(failure)) => return Err(failure),
        };
        self.heads.sequence += 1;
        let mut changes = changes.into_iter();
        let mut done = Vec::with_capacity(batch.operations().len());
        for operation in batch.operations() {
            done.push(self.apply(operation, &mut changes)?);
        }
        let sequence = self.heads.sequence;
        Ok(Ok(Ack { sequence, durability: Durability::Synced, done }))
    }

    /// Asks every condition, and works out what the items become. Nothing is written, so that a
    /// refused batch leaves no trace.
    fn check(&self, batch: &Batch) -> Result<Vec<Change>, Against> {
        let mut changes = Vec::new();
        for (operation, at) in batch.operations().iter().zip(0..) {
            match operation {
                Operation::Check { key, when } => {
                    self.held(at, key, when)?;
                }
                Operation::Put { key, content, when } => {
                    let (row, before) = self.held(at, key, when)?;
                    changes.push(Change { row, before, after: Some(content.clone()) });
                }
                Operation::Update { key, edits, when } => {
                    let (row, before) = self.held(at, key, when)?;
                    let after = edited(before.as_ref(), edits).map_err(Against::Verdict)?;
                    changes.push(Change { row, before, after: Some(after) });
                }
                Operation::Delete { key, when } => {
                    let (row, before) = self.held(at, key, when)?;
                    changes.push(Change { row, before, after: None });
                }
                Operation::Take { queue, due, id } => {
                    let row = rows::delayed_key(queue, millis(*due), id);
                    if self.delayed.get(row.as_slice()).map_err(fault)?.is_none() {
                        return Err(refused(at, None));
                    }
                }
                _ => {}
            }
        }
        self.room_for_logs(batch)?;
        Ok(changes)
    }

    fn held(
        &self,
        operation: usize,
        key: &Key,
        when: &Condition,
    ) -> Result<(Vec<u8>, Option<Item>), Against> {
        let row = rows::item_key(key);
        let item = self.items.get(row.as_slice()).map_err(fault)?;
        let item = item.map(|item| rows::parse_item(item.value())).transpose()?;
        if when.holds(item.as_ref()) { Ok((row, item)) } else { Err(refused(operation, item)) }
    }

    /// Every topic and partition that the batch names might be a new one.
    fn room_for_logs(&self, batch: &Batch) -> Result<(), Against> {
        let size = self.heads.logs.len().max(self.heads.topics.len()) + batch.operations().len();
        let is_new = |operation: &Operation| match operation {
            Operation::Append { topic, partition, .. } => {
                let id = self.heads.topics.get(topic);
                id.is_none_or(|id| !self.heads.logs.contains_key(&(*id, *partition)))
            }
            Operation::CommitOffset { topic, .. } | Operation::ResetOffset { topic, .. } => {
                !self.heads.topics.contains_key(topic)
            }
            _ => false,
        };
        if size > LOGS_MAX && batch.operations().iter().any(is_new) {
            let what = "the partitions of all topics";
            return Err(Against::Verdict(Error::TooLarge { what, size, max: LOGS_MAX }));
        }
        Ok(())
    }

    fn apply(
        &mut self,
        operation: &Operation,
        changes: &mut impl Iterator<Item = Change>,
    ) -> Result<Done, Failure> {
        match operation {
            Operation::Check { .. } => Ok(Done::Checked),
            Operation::Put { .. } | Operation::Update { .. } | Operation::Delete { .. } => {
                let change = changes.next();
                debug_assert!(change.is_some(), "each item operation was checked");
                change.map_or(Ok(Done::Checked), |change| self.change(&change))
            }
            Operation::Append { topic, partition, time, payload } => {
                self.append(topic, *partition, &rows::entry(millis(*time), payload))
            }
            Operation::CommitOffset { group, topic, partition, offset } => {
                self.move_offset((group, topic, *partition), |at| at.unwrap_or(0).max(*offset))
            }
            Operation::ResetOffset { group, topic, partition, offset } => {
                self.move_offset((group, topic, *partition), |_| *offset)
            }
            Operation::Schedule { queue, due, id, payload } => {
                let row = rows::delayed_key(queue, millis(*due), id);
                self.delayed.insert(row.as_slice(), payload.as_ref()).map_err(fault)?;
                Ok(Done::Scheduled)
            }
            Operation::Take { queue, due, id } => {
                let row = rows::delayed_key(queue, millis(*due), id);
                self.delayed.remove(row.as_slice()).map_err(fault)?;
                Ok(Done::Taken)
            }
            Operation::Trim { topic, partition, keep } => self.trim(topic, *partition, keep),
            Operation::Sweep { now } => self.sweep(*now),
        }
    }

    fn change(&mut self, change: &Change) -> Result<Done, Failure> {
        let expires = |content: &Content| content.expires.map(millis);
        let before = change.before.as_ref().and_then(|item| expires(&item.content));
        let after = change.after.as_ref().and_then(expires);
        if let Some(expires) = before.filter(|_| before != after) {
            let row = rows::expiry_key(expires, &change.row);
            self.expiry.remove(row.as_slice()).map_err(fault)?;
        }
        if let Some(expires) = after.filter(|_| before != after) {
            let row = rows::expiry_key(expires, &change.row);
            self.expiry.insert(row.as_slice(), [].as_slice()).map_err(fault)?;
        }
        let Some(content) = &change.after else {
            self.items.remove(change.row.as_slice()).map_err(fault)?;
            return Ok(Done::Deleted { existed: change.before.is_some() });
        };
        let item = rows::item(self.heads.sequence, content);
        self.items.insert(change.row.as_slice(), item.as_slice()).map_err(fault)?;
        Ok(Done::Written)
    }

    fn append(&mut self, topic: &str, partition: u32, entry: &[u8]) -> Result<Done, Failure> {
        let topic = self.topic(topic)?;
        let bounds = self.heads.logs.entry((topic, partition)).or_default();
        let offset = bounds.end;
        bounds.end += 1;
        bounds.bytes += rows::parse_entry_head(entry)?.1;
        self.moved.insert((topic, partition));
        let row = rows::entry_key(topic, partition, offset);
        self.entries.insert(row.as_slice(), entry).map_err(fault)?;
        Ok(Done::Appended { offset })
    }

    fn topic(&mut self, name: &str) -> Result<u32, Failure> {
        if let Some(id) = self.heads.topics.get(name) {
            return Ok(*id);
        }
        // Numbers are given in order and topics never go, so the count is the next number.
        let id = u32::try_from(self.heads.topics.len()).map_err(|_| rows::unreadable())?;
        let mut topics = self.transaction.open_table(TOPICS).map_err(fault)?;
        let row = u64::from(id).to_le_bytes();
        topics.insert(name.as_bytes(), row.as_slice()).map_err(fault)?;
        self.heads.topics.insert(name.to_owned(), id);
        Ok(id)
    }

    fn move_offset(
        &mut self,
        (group, topic, partition): (&str, &str, u32),
        to: impl FnOnce(Option<u64>) -> u64,
    ) -> Result<Done, Failure> {
        let topic = self.topic(topic)?;
        let row = rows::offset_key(topic, partition, group);
        let at = self.offsets.get(row.as_slice()).map_err(fault)?;
        let at = at.map(|at| rows::number(at.value())).transpose()?;
        let offset = to(at);
        if at != Some(offset) {
            let value = offset.to_le_bytes();
            self.offsets.insert(row.as_slice(), value.as_slice()).map_err(fault)?;
        }
        Ok(Done::Offset { offset })
    }

    fn trim(&mut self, topic: &str, partition: u32, keep: &Keep) -> Result<Done, Failure> {
        let topic = self.heads.topics.get(topic).copied();
        let log =
            topic.and_then(|topic| Some((topic, self.heads.logs.get_mut(&(topic, partition))?)));
        let Some((topic, bounds)) = log else {
            return Ok(Done::Removed { rows: 0, more: false });
        };
        let first = rows::entry_key(topic, partition, bounds.start);
        let last = rows::entry_key(topic, partition, bounds.end);
        let range = (Bound::Included(first.as_slice()), Bound::Excluded(last.as_slice()));
        let (mut old, mut more) = (Vec::new(), false);
        for row in self.entries.range::<&[u8]>(range).map_err(fault)? {
            let (key, entry) = row.map_err(fault)?;
            let (time, bytes) = rows::parse_entry_head(entry.value())?;
            if !goes(keep, bounds, time) {
                break;
            }
            more = old.len() == STEP_ROWS_MAX;
            if more {
                break;
            }
            bounds.start += 1;
            bounds.bytes = bounds.bytes.saturating_sub(bytes);
            old.push(key.value().to_vec());
        }
        for row in &old {
            self.entries.remove(row.as_slice()).map_err(fault)?;
        }
        self.moved.insert((topic, partition));
        Ok(Done::Removed { rows: old.len(), more })
    }

    fn sweep(&mut self, now: UnixTime) -> Result<Done, Failure> {
        let last = millis(now).to_be_bytes();
        let (mut expired, mut more) = (Vec::new(), false);
        for row in self.expiry.range::<&[u8]>(..last.as_slice()).map_err(fault)? {
            let (key, _) = row.map_err(fault)?;
            more = expired.len() == STEP_ROWS_MAX;
            if more {
                break;
            }
            expired.push(key.value().to_vec());
        }
        for row in &expired {
            self.expiry.remove(row.as_slice()).map_err(fault)?;
            let item = row.get(last.len()..).ok_or_else(rows::unreadable)?;
            self.items.remove(item).map_err(fault)?;
        }
        Ok(Done::Removed { rows: expired.len(), more })
    }

    fn finish(self) -> Result<(), Failure> {
        let mut bounds = self.transaction.open_table(BOUNDS).map_err(fault)?;
        for (topic, partition) in &self.moved {
            if let Some(log) = self.heads.logs.get(&(*topic, *partition)) {
                let row = rows::log_key(*topic, *partition);
                bounds.insert(row.as_slice(), rows::bounds(log).as_slice()).map_err(fault)?;
            }
        }
        let mut meta = self.transaction.open_table(META).map_err(fault)?;
        let sequence = self.heads.sequence.to_le_bytes();
        meta.insert(SEQUENCE, sequence.as_slice()).map_err(fault)?;
        Ok(())
    }
}

/// Whether the first entry of a partition goes.
fn goes(keep: &Keep, bounds: &LogBounds, time: u64) -> bool {
    let protected = keep.below.is_some_and(|below| bounds.start >= below);
    let too_old = keep.since.is_some_and(|since| time < millis(since));
    let too_many = keep.bytes.is_some_and(|bytes| bounds.bytes > bytes);
    !protected && (too_old || too_many)
}

fn edited(before: Option<&Item>, edits: &[Edit]) -> Result<Content, Error> {
    let mut content = before.map(|item| item.content.clone()).unwrap_or_default();
    for edit in edits {
        edit.apply(&mut content).map_err(Error::Invalid)?;
    }
    content.validate()?;
    Ok(content)
}

fn refused(operation: usize, current: Option<Item>) -> Against {
    Against::Verdict(Error::Refused(Refused { operation, current }))
}
