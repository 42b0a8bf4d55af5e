//! An engine in memory, written as the documentation reads, to compare others with.

use std::collections::BTreeMap;

use bytes::Bytes;
use headgate_types::UnixTime;
use parking_lot::Mutex;

use crate::{
    batch::{Ack, Batch, Done, Durability, Keep, Operation, STEP_ROWS_MAX},
    engine::{
        Due, Engine, Entry, Failure, LogBounds, READ_BYTES_MAX, READ_ROWS_MAX, Refused, Size,
        Verdict,
    },
    error::Error,
    item::{Condition, Content, Item, Key, from_millis, millis},
};

/// Everything that is kept, in maps. Nothing survives the process.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    sequence: u64,
    items: BTreeMap<Key, Item>,
    logs: BTreeMap<(String, u32), Log>,
    offsets: BTreeMap<(String, String, u32), u64>,
    delayed: BTreeMap<(String, u64, Bytes), Bytes>,
    /// Rows of deleted topics that no sweep has removed.
    deleted: usize,
}

#[derive(Clone, Debug, Default)]
struct Log {
    end: u64,
    entries: BTreeMap<u64, Entry>,
}

impl Memory {
    /// An empty engine.
    pub fn new() -> Self {
        Self::default()
    }

    /// An engine with the same contents.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { state: Mutex::new(self.state.lock().clone()) }
    }
}

impl State {
    /// Works on a copy, so that a refused batch leaves nothing behind.
    fn batch(&mut self, batch: &Batch) -> Verdict {
        let mut next = self.clone();
        next.sequence += 1;
        for (operation, at) in batch.operations().iter().zip(0..) {
            self.check(operation, at)?;
        }
        let done = batch.operations().iter().map(|operation| next.apply(operation));
        let done = done.collect::<Result<_, _>>()?;
        *self = next;
        Ok(Ack { sequence: self.sequence, durability: Durability::Memory, done })
    }

    fn check(&self, operation: &Operation, at: usize) -> Result<(), Error> {
        let held = |key, when: &Condition| {
            let item = self.items.get(key);
            if when.holds(item) {
                return Ok(());
            }
            Err(Error::Refused(Refused { operation: at, current: item.cloned() }))
        };
        match operation {
            Operation::Check { key, when }
            | Operation::Put { key, when, .. }
            | Operation::Update { key, when, .. }
            | Operation::Delete { key, when } => held(key, when),
            Operation::Take { queue, due, id } => {
                if self.delayed.contains_key(&(queue.clone(), millis(*due), id.clone())) {
                    return Ok(());
                }
                Err(Error::Refused(Refused { operation: at, current: None }))
            }
            _ => Ok(()),
        }
    }

    fn apply(&mut self, operation: &Operation) -> Result<Done, Error> {
        Ok(match operation {
            Operation::Check { .. } => Done::Checked,
            Operation::Put { key, content, .. } => self.write(key, content.clone()),
            Operation::Update { key, edits, .. } => {
                let item = self.items.get(key);
                let mut content = item.map(|item| item.content.clone()).unwrap_or_default();
                for edit in edits {
                    edit.apply(&mut content).map_err(Error::Invalid)?;
                }
                content.validate()?;
                self.write(key, content)
            }
            Operation::Delete { key, .. } => {
                Done::Deleted { existed: self.items.remove(key).is_some() }
            }
            Operation::Append { topic, partition, time, payload } => {
                let log = self.logs.entry((topic.clone(), *partition)).or_default();
                let (offset, time) = (log.end, from_millis(millis(*time)));
                log.end += 1;
                log.entries.insert(offset, Entry { offset, time, payload: payload.clone() });
                Done::Appended { offset }
            }
            Operation::CommitOffset { group, topic, partition, offset } => {
                let key = (group.clone(), topic.clone(), *partition);
                let at = self.offsets.entry(key).or_default();
                *at = (*at).max(*offset);
                Done::Offset { offset: *at }
            }
            Operation::ResetOffset { group, topic, partition, offset } => {
                self.offsets.insert((group.clone(), topic.clone(), *partition), *offset);
                Done::Offset { offset: *offset }
            }
            Operation::DeleteTopic { topic } => self.delete_topic(topic),
            Operation::Schedule { queue, due, id, payload } => {
                let key = (queue.clone(), millis(*due), id.clone());
                self.delayed.insert(key, payload.clone());
                Done::Scheduled
            }
            Operation::Take { queue, due, id } => {
                self.delayed.remove(&(queue.clone(), millis(*due), id.clone()));
                Done::Taken
            }
            Operation::Trim { topic, partition, keep } => self.trim(topic, *partition, keep),
            Operation::Sweep { now } => self.sweep(*now),
        })
    }

    fn write(&mut self, key: &Key, mut content: Content) -> Done {
        content.expires = content.expires.map(|expires| from_millis(millis(expires)));
        self.items.insert(key.clone(), Item { version: self.sequence, content });
        Done::Written
    }

    fn delete_topic(&mut self, topic: &str) -> Done {
        let logs = self.logs.extract_if(.., |(name, _), _| name == topic);
        let entries: Vec<_> = logs.map(|(_, log)| log.entries.len()).collect();
        let offsets = self.offsets.extract_if(.., |(_, name, _), _| name == topic).count();
        let existed = !entries.is_empty() || offsets > 0;
        if existed {
            // Every entry, partition and offset is a row, and the topic itself.
            self.deleted += entries.iter().sum::<usize>() + entries.len() + offsets + 1;
        }
        Done::Deleted { existed }
    }

    fn trim(&mut self, topic: &str, partition: u32, keep: &Keep) -> Done {
        let Some(log) = self.logs.get_mut(&(topic.to_owned(), partition)) else {
            return Done::Removed { rows: 0, more: false };
        };
        let mut rows = 0;
        while let Some(first) = log.entries.first_entry() {
            let protected = keep.below.is_some_and(|below| *first.key() >= below);
            let time = millis(first.get().time);
            let bytes: u64 = log.entries.values().map(size).sum();
            let too_old = keep.since.is_some_and(|since| time < millis(since));
            let too_many = keep.bytes.is_some_and(|max| bytes > max);
            if protected || !(too_old || too_many) {
                break;
            }
            if rows == STEP_ROWS_MAX {
                return Done::Removed { rows, more: true };
            }
            log.entries.pop_first();
            rows += 1;
        }
        Done::Removed { rows, more: false }
    }

    fn sweep(&mut self, now: UnixTime) -> Done {
        let expires = |item: &Item| item.content.expires.map(millis);
        let mut expired: Vec<_> = self
            .items
            .iter()
            .filter_map(|(key, item)| Some((expires(item)?, key.clone())))
            .filter(|(expires, _)| *expires < millis(now))
            .collect();
        // The longest expired go first; of one time, as spaces with shorter names do.
        expired.sort_by(|(a, key), (b, other)| {
            let order = |key: &Key| (key.space.len(), key.clone());
            a.cmp(b).then_with(|| order(key).cmp(&order(other)))
        });
        let more = expired.len() > STEP_ROWS_MAX;
        expired.truncate(STEP_ROWS_MAX);
        for (_, key) in &expired {
            self.items.remove(key);
        }
        let reclaimed = self.deleted.min(STEP_ROWS_MAX - expired.len());
        self.deleted -= reclaimed;
        Done::Removed { rows: expired.len() + reclaimed, more: more || self.deleted > 0 }
    }
}

fn size(entry: &Entry) -> u64 {
    entry.payload.len() as u64 + 16
}

fn bounds(log: &Log) -> LogBounds {
    LogBounds {
        start: log.entries.keys().next().copied().unwrap_or(log.end),
        end: log.end,
        bytes: log.entries.values().map(size).sum(),
    }
}

/// Up to a number of rows, and up to the row that reaches the bound on bytes.
fn limited<T>(rows: impl Iterator<Item = (usize, T)>, limit: usize) -> Vec<T> {
    let mut bytes = 0;
    rows.take(limit.min(READ_ROWS_MAX))
        .take_while(|(size, _)| {
            let fits = bytes < READ_BYTES_MAX;
            bytes += size;
            fits
        })
        .map(|(_, row)| row)
        .collect()
}

impl Engine for Memory {
    fn commit(&self, group: &[Batch]) -> Result<Vec<Verdict>, Failure> {
        let mut state = self.state.lock();
        Ok(group.iter().map(|batch| state.batch(batch)).collect())
    }

    fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
        Ok(self.state.lock().items.get(key).cloned())
    }

    fn scan(
        &self,
        space: &str,
        after: Option<&[u8]>,
        rows: usize,
    ) -> Result<Vec<(Bytes, Item)>, Failure> {
        let state = self.state.lock();
        let found = state.items.iter().filter(|(key, _)| {
            key.space == space && after.is_none_or(|after| key.key.as_ref() > after)
        });
        let found =
            found.map(|(key, item)| (item.content.value.len(), (key.key.clone(), item.clone())));
        Ok(limited(found, rows))
    }

    fn log(&self, topic: &str, partition: u32) -> Result<Option<LogBounds>, Failure> {
        let state = self.state.lock();
        Ok(state.logs.get(&(topic.to_owned(), partition)).map(bounds))
    }

    fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Result<Vec<Entry>, Failure> {
        let state = self.state.lock();
        let log = state.logs.get(&(topic.to_owned(), partition));
        let found = log.into_iter().flat_map(|log| log.entries.range(from..));
        Ok(limited(found.map(|(_, entry)| (entry.payload.len(), entry.clone())), rows))
    }

    fn offset(&self, group: &str, topic: &str, partition: u32) -> Result<Option<u64>, Failure> {
        let key = (group.to_owned(), topic.to_owned(), partition);
        Ok(self.state.lock().offsets.get(&key).copied())
    }

    fn logs(&self) -> Result<Vec<(String, u32, LogBounds)>, Failure> {
        let state = self.state.lock();
        let logs = state.logs.iter();
        Ok(logs.map(|((topic, partition), log)| (topic.clone(), *partition, bounds(log))).collect())
    }

    fn offsets(&self, topic: &str, partition: u32) -> Result<Vec<(String, u64)>, Failure> {
        let state = self.state.lock();
        let of = state.offsets.iter().filter(|((_, t, p), _)| t == topic && *p == partition);
        Ok(of.map(|((group, _, _), offset)| (group.clone(), *offset)).take(READ_ROWS_MAX).collect())
    }

    fn due(&self, queue: &str, now: UnixTime, rows: usize) -> Result<Vec<Due>, Failure> {
        let state = self.state.lock();
        let found =
            state.delayed.iter().filter(|((name, due, _), _)| name == queue && *due <= millis(now));
        let found = found.map(|((_, due, id), payload)| {
            let (due, id) = (from_millis(*due), id.clone());
            (payload.len(), Due { due, id, payload: payload.clone() })
        });
        Ok(limited(found, rows))
    }

    fn verify(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn size(&self) -> Result<Size, Failure> {
        Ok(Size { file_bytes: 0, available_bytes: u64::MAX })
    }
}
