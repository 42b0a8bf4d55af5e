//! What came of it all, read from the log and the store when nobody works any more.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use headgate_idempotency::{STATE_SPACE, dynamodb::SHARDS};
use headgate_store::Key;

use crate::{
    handlers::{SCOPES, TOPICS, state},
    world::World,
};

/// Entries that are read at once.
const ROWS: usize = 1_000;
/// Faults that are told one by one.
const TOLD_MAX: usize = 10;

/// What is wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) faults: Vec<String>,
    /// Entries of a level's topic that bear an id that was there before: harmless, and told.
    pub(crate) copies: u64,
}

/// What is not done yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Entries that no group has passed, by level.
    pub(crate) entries: [u64; 3],
    /// Events in the outbox; of each shard the first hundred are seen.
    pub(crate) outbox: usize,
}

impl Left {
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Outbox entries of a shard that are counted.
const COUNTED_MAX: usize = 100;

/// Looks at every group's offsets, and at the outbox.
pub(crate) async fn left(world: &World) -> Result<Left> {
    let mut left = Left::default();
    for ((topic, scope), left) in TOPICS.iter().zip(SCOPES).zip(&mut left.entries) {
        let bounds = world.parts.log.bounds(topic).await?.context("the topic is gone")?;
        let offsets = world.parts.log.offsets(scope, topic).await?;
        let offsets = offsets.into_iter().map(Option::unwrap_or_default);
        let each = bounds.iter().zip(offsets);
        *left = each.map(|(bounds, offset)| bounds.next.saturating_sub(offset)).sum();
    }
    let Some(table) = &world.table else { return Ok(left) };
    for shard in 0..SHARDS {
        left.outbox += table.outbox(shard, COUNTED_MAX).await?.len();
    }
    Ok(left)
}

/// Counts every name's effects and children.
pub(crate) async fn judge(world: &World, names: &[String]) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    for (level, topic) in TOPICS.iter().enumerate() {
        for name in names {
            let counted = counted(world, level, name).await?;
            verdict.note(counted, || format!("{name} has {counted} effects on level {level}"));
        }
        let logged = logged(world, topic, &mut verdict).await?;
        let children: u64 = logged.values().map(|_| 1).sum();
        if children != names.len() as u64 {
            verdict.faults.push(format!("{topic} has {children} different events"));
        }
    }
    verdict.faults.truncate(TOLD_MAX);
    Ok(verdict)
}

async fn counted(world: &World, level: usize, name: &str) -> Result<u64> {
    let key = Key::new(STATE_SPACE, state(level, name).into_bytes());
    let item = world.store.get(&key).await?;
    Ok(item.map_or(Ok(0), |item| serde_json::from_slice(&item.content.value))?)
}

/// Reads in vain of one partition before that is an error.
const EMPTY_MAX: u32 = 100;

/// How often each id is in a topic.
async fn logged(
    world: &World,
    topic: &str,
    verdict: &mut Verdict,
) -> Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    let bounds = world.parts.log.bounds(topic).await?.context("the topic is gone")?;
    for (partition, bounds) in (0..).zip(bounds) {
        let (mut from, mut empty) = (bounds.first, 0);
        while from < bounds.next {
            let entries = world.parts.log.read(topic, partition, from, ROWS).await?;
            let Some(last) = entries.last() else {
                // Connections that were cut come back first.
                empty += 1;
                ensure!(empty < EMPTY_MAX, "nothing is read of {topic}/{partition} from {from}");
                continue;
            };
            from = last.offset + 1;
            for entry in &entries {
                *found.entry(entry.event()?.id.to_string()).or_default() += 1;
            }
        }
    }
    verdict.copies += found.values().map(|count| count - 1).sum::<u64>();
    Ok(found)
}

impl Verdict {
    fn note(&mut self, count: u64, fault: impl Fn() -> String) {
        match count {
            1 => return,
            0 => self.lost += 1,
            _ => self.doubled += 1,
        }
        if self.faults.len() < TOLD_MAX {
            self.faults.push(fault());
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.faults.is_empty()
    }
}
