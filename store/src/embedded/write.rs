//! Batches against a write transaction: first every condition, then every change.

mod log;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

use headgate_types::UnixTime;
use redb::{ReadableTable, Table, WriteTransaction};

use log::Run;

use super::{
    DELAYED, Definition, ENTRIES, EXPIRY, Heads, ITEMS, LOGS_MAX, META, OFFSETS, SEQUENCE, fault,
    rows,
};
use crate::{
    batch::{Ack, Batch, Done, Durability, Operation, STEP_ROWS_MAX},
    engine::{Failure, Refused, Verdict},
    error::Error,
    item::{Condition, Content, Edit, Item, Key, millis},
};

/// Carries out each batch against what those before it left. Nothing is durable yet.
pub(super) fn carry_out(
    transaction: &WriteTransaction,
    heads: &mut Heads,
    group: &[Batch],
) -> Result<Vec<Verdict>, Failure> {
    let mut writer = Writer::new(transaction, heads);
    let verdicts = group.iter().map(|batch| writer.batch(batch)).collect::<Result<_, _>>()?;
    writer.finish()?;
    Ok(verdicts)
}

type Rows<'t> = Table<'t, &'static [u8], &'static [u8]>;

struct Writer<'t> {
    items: Opened<'t>,
    expiry: Opened<'t>,
    entries: Opened<'t>,
    offsets: Opened<'t>,
    delayed: Opened<'t>,
    transaction: &'t WriteTransaction,
    heads: &'t mut Heads,
    /// Entries appended by this group, by topic and partition.
    runs: BTreeMap<(u32, u32), Run>,
    /// Partitions whose bounds are written once, at the end of the group.
    moved: BTreeSet<(u32, u32)>,
}

/// A table that is opened by its first use: redb looks each one up, and again when it closes.
struct Opened<'t> {
    transaction: &'t WriteTransaction,
    definition: Definition,
    rows: Option<Rows<'t>>,
}

impl<'t> Opened<'t> {
    const fn new(transaction: &'t WriteTransaction, definition: Definition) -> Self {
        Self { transaction, definition, rows: None }
    }

    fn rows(&mut self) -> Result<&mut Rows<'t>, Failure> {
        let rows = match self.rows.take() {
            Some(rows) => rows,
            None => self.transaction.open_table(self.definition).map_err(fault)?,
        };
        Ok(self.rows.insert(rows))
    }
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
    fn new(transaction: &'t WriteTransaction, heads: &'t mut Heads) -> Self {
        let table = |definition| Opened::new(transaction, definition);
        Self {
            items: table(ITEMS),
            expiry: table(EXPIRY),
            entries: table(ENTRIES),
            offsets: table(OFFSETS),
            delayed: table(DELAYED),
            transaction,
            heads,
            runs: BTreeMap::new(),
            moved: BTreeSet::new(),
        }
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
    fn check(&mut self, batch: &Batch) -> Result<Vec<Change>, Against> {
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
                    if self.delayed.rows()?.get(row.as_slice()).map_err(fault)?.is_none() {
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
        &mut self,
        operation: usize,
        key: &Key,
        when: &Condition,
    ) -> Result<(Vec<u8>, Option<Item>), Against> {
        let row = rows::item_key(key);
        let item = self.items.rows()?.get(row.as_slice()).map_err(fault)?;
        let item = item.map(|item| rows::parse_item(item.value())).transpose()?;
        if when.holds(item.as_ref()) { Ok((row, item)) } else { Err(refused(operation, item)) }
    }

    /// Every topic and partition that the batch names might be a new one.
    fn room_for_logs(&self, batch: &Batch) -> Result<(), Against> {
        let topics = self.heads.topics.len() + self.heads.deleted.len();
        let size = self.heads.logs.len().max(topics) + batch.operations().len();
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
                self.append((topic, *partition), millis(*time), payload)
            }
            Operation::CommitOffset { group, topic, partition, offset } => {
                self.move_offset((group, topic, *partition), |at| at.unwrap_or(0).max(*offset))
            }
            Operation::ResetOffset { group, topic, partition, offset } => {
                self.move_offset((group, topic, *partition), |_| *offset)
            }
            Operation::DeleteTopic { topic } => self.delete_topic(topic),
            Operation::Schedule { queue, due, id, payload } => {
                let row = rows::delayed_key(queue, millis(*due), id);
                self.delayed.rows()?.insert(row.as_slice(), payload.as_ref()).map_err(fault)?;
                Ok(Done::Scheduled)
            }
            Operation::Take { queue, due, id } => {
                let row = rows::delayed_key(queue, millis(*due), id);
                self.delayed.rows()?.remove(row.as_slice()).map_err(fault)?;
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
            self.expiry.rows()?.remove(row.as_slice()).map_err(fault)?;
        }
        if let Some(expires) = after.filter(|_| before != after) {
            let row = rows::expiry_key(expires, &change.row);
            self.expiry.rows()?.insert(row.as_slice(), [].as_slice()).map_err(fault)?;
        }
        let Some(content) = &change.after else {
            self.items.rows()?.remove(change.row.as_slice()).map_err(fault)?;
            return Ok(Done::Deleted { existed: change.before.is_some() });
        };
        let item = rows::item(self.heads.sequence, content);
        self.items.rows()?.insert(change.row.as_slice(), item.as_slice()).map_err(fault)?;
        Ok(Done::Written)
    }

    fn move_offset(
        &mut self,
        (group, topic, partition): (&str, &str, u32),
        to: impl FnOnce(Option<u64>) -> u64,
    ) -> Result<Done, Failure> {
        let topic = self.topic(topic)?;
        let row = rows::offset_key(topic, partition, group);
        let at = self.offsets.rows()?.get(row.as_slice()).map_err(fault)?;
        let at = at.map(|at| rows::number(at.value())).transpose()?;
        let offset = to(at);
        if at != Some(offset) {
            let value = offset.to_le_bytes();
            self.offsets.rows()?.insert(row.as_slice(), value.as_slice()).map_err(fault)?;
        }
        Ok(Done::Offset { offset })
    }

    fn sweep(&mut self, now: UnixTime) -> Result<Done, Failure> {
        let last = millis(now).to_be_bytes();
        let (mut expired, mut more) = (Vec::new(), false);
        for row in self.expiry.rows()?.range::<&[u8]>(..last.as_slice()).map_err(fault)? {
            let (key, _) = row.map_err(fault)?;
            more = expired.len() == STEP_ROWS_MAX;
            if more {
                break;
            }
            expired.push(key.value().to_vec());
        }
        for row in &expired {
            self.expiry.rows()?.remove(row.as_slice()).map_err(fault)?;
            let item = row.get(last.len()..).ok_or_else(rows::unreadable)?;
            self.items.rows()?.remove(item).map_err(fault)?;
        }
        let (reclaimed, left) = self.reclaim(STEP_ROWS_MAX - expired.len())?;
        Ok(Done::Removed { rows: expired.len() + reclaimed, more: more || left })
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.write_runs()?;
        self.write_bounds()?;
        let mut meta = self.transaction.open_table(META).map_err(fault)?;
        let sequence = self.heads.sequence.to_le_bytes();
        meta.insert(SEQUENCE, sequence.as_slice()).map_err(fault)?;
        Ok(())
    }
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
