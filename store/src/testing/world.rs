//! A small world of names in which batches are made by chance, and a picture of all of it.

use std::fmt;

use bytes::Bytes;
use headgate_types::UnixTime;

use crate::{
    batch::{Batch, Keep, Operation},
    engine::{Due, Engine, Entry, Failure, LogBounds},
    item::{Condition, Content, Edit, Item, Key},
};

const SPACES: [&str; 2] = ["a", "bb"];
const TOPICS: [&str; 2] = ["t", "u"];
const PARTITIONS: u32 = 2;
const GROUP: &str = "g";
const QUEUE: &str = "q";
const KEYS: u8 = 24;
const SECONDS: u64 = 60;

/// Everything that an engine holds of the small world.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    items: Vec<(String, Bytes, Item)>,
    logs: Vec<Log>,
    delayed: Vec<Due>,
}

/// A partition's bounds, its entries and the group's offset.
type Log = (Option<LogBounds>, Vec<Entry>, Option<u64>);

/// In short: values and payloads are left out.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.items.iter().map(|(space, key, item)| (space, key, item.version));
        let logs =
            self.logs.iter().map(|(bounds, entries, offset)| (bounds, entries.len(), offset));
        f.debug_list().entries(items).finish()?;
        f.debug_list().entries(logs).finish()?;
        f.debug_list().entries(self.delayed.iter().map(|due| (due.due, &due.id))).finish()
    }
}

/// Reads everything that batches of the small world can have written.
///
/// # Errors
///
/// The engine's.
pub fn picture(engine: &dyn Engine) -> Result<Picture, Failure> {
    let mut items = Vec::new();
    for space in SPACES {
        let found = engine.scan(space, None, usize::MAX)?;
        items.extend(found.into_iter().map(|(key, item)| (space.to_owned(), key, item)));
    }
    let mut logs = Vec::new();
    for topic in TOPICS {
        for partition in 0..PARTITIONS {
            let bounds = engine.log(topic, partition)?;
            let entries = entries(engine, topic, partition)?;
            logs.push((bounds, entries, engine.offset(GROUP, topic, partition)?));
        }
    }
    let delayed = engine.due(QUEUE, UnixTime::from_secs(SECONDS), usize::MAX)?;
    Ok(Picture { items, logs, delayed })
}

/// Commits groups by chance, the same each time, and tells what they leave.
///
/// # Errors
///
/// The engine's.
pub fn filled(engine: &dyn Engine, groups: usize) -> Result<Picture, Failure> {
    let mut chance = fastrand::Rng::with_seed(11);
    for _ in 0..groups {
        let group: Vec<_> = (0..4).map(|_| batch(&mut chance)).collect();
        engine.commit(&group)?;
    }
    picture(engine)
}

/// All entries of a partition, read step by step.
fn entries(engine: &dyn Engine, topic: &str, partition: u32) -> Result<Vec<Entry>, Failure> {
    let (mut entries, mut from) = (Vec::new(), 0);
    loop {
        let step = engine.read(topic, partition, from, usize::MAX)?;
        let Some(last) = step.last() else { return Ok(entries) };
        from = last.offset + 1;
        entries.extend(step);
    }
}

/// A valid batch, often one whose condition does not hold.
pub(super) fn batch(chance: &mut fastrand::Rng) -> Batch {
    match chance.u8(..20) {
        0 => return Batch::sweep(time(chance)),
        1 | 2 => return Batch::trim(topic(chance), partition(chance), keep(chance)),
        3 if chance.bool() => return Batch::new().delete_topic(topic(chance)),
        _ => {}
    }
    let mut batch = Batch::new();
    for _ in 0..chance.usize(1..6) {
        let longer = batch.clone().with(operation(chance));
        // Two operations on one item are not valid.
        if longer.validate().is_ok() {
            batch = longer;
        }
    }
    batch
}

fn operation(chance: &mut fastrand::Rng) -> Operation {
    match chance.u8(..10) {
        0 | 1 => {
            let (topic, partition) = (topic(chance), partition(chance));
            let payload = bytes(chance, 2_000);
            Operation::Append { topic, partition, time: time(chance), payload }
        }
        2 => {
            let (topic, partition) = (topic(chance), partition(chance));
            Operation::CommitOffset {
                group: GROUP.to_owned(),
                topic,
                partition,
                offset: chance.u64(..50),
            }
        }
        3 => {
            let (due, id) = (time(chance), Bytes::from(vec![chance.u8(..4)]));
            Operation::Schedule { queue: QUEUE.to_owned(), due, id, payload: bytes(chance, 300) }
        }
        4 => {
            let (due, id) = (time(chance), Bytes::from(vec![chance.u8(..4)]));
            Operation::Take { queue: QUEUE.to_owned(), due, id }
        }
        5 => Operation::Delete { key: key(chance), when: condition(chance) },
        6 | 7 => Operation::Update {
            key: key(chance),
            edits: vec![
                Edit::Add { name: "fn".to_owned(), amount: 1, from: 10 },
                Edit::Set("own".to_owned(), chance.u64(..3).into()),
                Edit::Expires(Some(time(chance))),
            ],
            when: condition(chance),
        },
        _ => {
            let expires = chance.bool().then(|| time(chance));
            let content = Content { expires, value: bytes(chance, 1_000), ..Content::default() };
            Operation::Put { key: key(chance), content, when: condition(chance) }
        }
    }
}

fn condition(chance: &mut fastrand::Rng) -> Condition {
    match chance.u8(..8) {
        0 => Condition::Absent,
        1 => Condition::Present,
        2 => Condition::Any(vec![
            Condition::Absent,
            Condition::ExpiredBy(time(chance)),
            Condition::equals("own", chance.u64(..3)),
        ]),
        _ => Condition::Always,
    }
}

fn key(chance: &mut fastrand::Rng) -> Key {
    let space = SPACES.get(chance.usize(..SPACES.len())).copied().unwrap_or_default();
    Key::new(space, vec![chance.u8(..KEYS)])
}

fn topic(chance: &mut fastrand::Rng) -> String {
    TOPICS.get(chance.usize(..TOPICS.len())).copied().unwrap_or_default().to_owned()
}

fn partition(chance: &mut fastrand::Rng) -> u32 {
    chance.u32(..PARTITIONS)
}

fn time(chance: &mut fastrand::Rng) -> UnixTime {
    UnixTime::from_secs(chance.u64(..SECONDS))
}

fn keep(chance: &mut fastrand::Rng) -> Keep {
    Keep {
        since: chance.bool().then(|| time(chance)),
        bytes: chance.bool().then(|| chance.u64(..20_000)),
        below: chance.bool().then(|| chance.u64(..100)),
    }
}

fn bytes(chance: &mut fastrand::Rng, max: usize) -> Bytes {
    let byte = chance.u8(..);
    Bytes::from(vec![byte; chance.usize(..max)])
}
