//! Topics, and what they are like where nobody says.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headgate_idempotency::{DEAD_LETTERS, PARTITIONS_DEFAULT, PUSH_TOPIC, Partitions};
use headgate_types::ByteSize;

use crate::series::SERIES_TOPIC;

/// What people decided about dead letters and held keys.
pub const AUDIT_TOPIC: &str = "hg.audit";
/// What operators change on running edges, for edges of no fleet; a fleet's has its name behind a
/// dot. One partition, so that everybody reads it in one order.
pub const CONTROL_TOPIC: &str = "hg.control";
/// Errors that a person may want to know of.
pub const NOTICE_TOPIC: &str = "hg.notices";

/// What moves on edges and what is done there, each an event, for edges of no fleet; a fleet's has
/// its name behind a dot.
pub const TIMELINE_TOPIC: &str = "hg.timeline";

/// The exchanges of edges, each an event.
pub const EXCHANGE_TOPIC: &str = "hg.exchanges";

/// Kafka's own default, and long enough for a week-end that nobody looks.
const AGE: Duration = Duration::from_hours(7 * 24);
/// As long as results can be asked for by default.
const PUSHED_AGE: Duration = Duration::from_hours(24);
/// As long as an edge keeps its own timeline.
const TIMELINE_AGE: Duration = Duration::from_hours(30 * 24);
/// Bytes of timelines, whatever their age: a day of ten nodes that are always at their limits.
const TIMELINE_BYTES: ByteSize = ByteSize::from_bytes(64 << 20);
/// Bytes of exchanges, whatever their age: half an hour of 200 a second.
const EXCHANGE_BYTES: ByteSize = ByteSize::from_bytes(512 << 20);

/// What is wanted of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The name, also in Kafka.
    pub name: Arc<str>,
    /// Partitions. They never change.
    pub partitions: u32,
    /// What is kept.
    pub retention: Retention,
    /// Copies of each partition, in Kafka. None: as the broker has it by default.
    pub replication: Option<u16>,
}

/// What a partition keeps. An entry goes when it is too old or one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long an entry is kept. None: for ever.
    pub age: Option<Duration>,
    /// Bytes of a partition. None: as many as come.
    pub bytes: Option<ByteSize>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Some(AGE), bytes: None }
    }
}

impl Topic {
    /// A topic of which nothing else is said. Dead letters, the audit, notices, exchanges, timelines,
    /// what operators change and what is said of series have one partition; what people decided is
    /// kept for ever, what is pushed for a day, and exchanges and timelines as far as their bytes
    /// go.
    pub fn new(name: &str) -> Self {
        let is_control = is_or_below(CONTROL_TOPIC, name);
        let is_timeline = is_or_below(TIMELINE_TOPIC, name);
        let is_single = name.starts_with(DEAD_LETTERS)
            || is_control
            || is_timeline
            || matches!(name, AUDIT_TOPIC | EXCHANGE_TOPIC | NOTICE_TOPIC | SERIES_TOPIC);
        let retention = match name {
            _ if is_control || name == AUDIT_TOPIC => Retention { age: None, bytes: None },
            _ if is_timeline => Retention { age: Some(TIMELINE_AGE), bytes: Some(TIMELINE_BYTES) },
            PUSH_TOPIC => Retention { age: Some(PUSHED_AGE), bytes: None },
            EXCHANGE_TOPIC => Retention { bytes: Some(EXCHANGE_BYTES), ..Retention::default() },
            _ => Retention::default(),
        };
        let partitions = if is_single { 1 } else { PARTITIONS_DEFAULT };
        Self { name: name.into(), partitions, retention, replication: None }
    }

    /// The topic of what operators change, of the edges of a fleet; none for those of no fleet.
    pub fn control(fleet: Option<&str>) -> Self {
        Self::of_fleet(CONTROL_TOPIC, fleet)
    }

    /// The topic of what moves on edges and is done there, as [`control`](Self::control).
    pub fn timeline(fleet: Option<&str>) -> Self {
        Self::of_fleet(TIMELINE_TOPIC, fleet)
    }

    fn of_fleet(name: &str, fleet: Option<&str>) -> Self {
        match fleet {
            Some(fleet) => Self::new(&format!("{name}.{fleet}")),
            None => Self::new(name),
        }
    }

    /// The topic of a scope's dead letters.
    pub fn dead_letters(scope: &str) -> Self {
        Self::new(&format!("{DEAD_LETTERS}{scope}"))
    }
}

/// Whether a name is this one, or has more behind a dot.
fn is_or_below(topic: &str, name: &str) -> bool {
    name.strip_prefix(topic).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The topics of which something is said. Clones share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics(Arc<BTreeMap<Arc<str>, Topic>>);

impl Topics {
    /// Topics by their names.
    pub fn new(topics: impl IntoIterator<Item = Topic>) -> Self {
        Self(Arc::new(topics.into_iter().map(|topic| (Arc::clone(&topic.name), topic)).collect()))
    }

    /// What is wanted of a topic.
    pub fn get(&self, name: &str) -> Topic {
        self.0.get(name).cloned().unwrap_or_else(|| Topic::new(name))
    }

    /// How many partitions a topic has.
    pub fn partitions(&self, name: &str) -> u32 {
        self.0.get(name).map_or_else(|| Topic::new(name).partitions, |topic| topic.partitions)
    }

    /// The topics of which something is said, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.0.values()
    }

    /// The numbers of partitions, for handlers that emit.
    pub fn for_handlers(&self) -> Partitions {
        Partitions::new(self.iter().map(|topic| (Arc::clone(&topic.name), topic.partitions)))
    }
}

#[cfg(test)]
mod tests;
