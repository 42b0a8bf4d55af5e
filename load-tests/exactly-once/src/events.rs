//! The events: their names, how each is handled, and where workers find them.

use std::fmt;

use anyhow::{Context, Result};
use headgate_idempotency::{RecordKey, Scope};
use headgate_store::{Batch, Key, Operation, Store};
use headgate_types::UnixTime;

pub(crate) const EVENTS: &str = "events";
pub(crate) const CHILDREN: &str = "children";
pub(crate) const WORKERS: &str = "workers";
const STATES: &str = "states";
const SCOPE: &str = "exactly-once";
/// Events that are published by one batch.
const BATCH: usize = 100;
/// Of ten events, how many the log has twice.
const TWICE_OF_TEN: u32 = 3;

/// How a partition's events are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Transactional,
    Keyed,
    LeasedRetry,
    LeasedHold,
}

impl Mode {
    pub(crate) const ALL: [Self; 4] =
        [Self::Transactional, Self::Keyed, Self::LeasedRetry, Self::LeasedHold];

    /// Partitions take turns.
    pub(crate) fn of(partition: u32) -> Self {
        let turn = partition as usize % Self::ALL.len();
        Self::ALL.get(turn).copied().unwrap_or(Self::Transactional)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transactional => "transactional",
            Self::Keyed => "keyed",
            Self::LeasedRetry => "leased, retry",
            Self::LeasedHold => "leased, hold",
        })
    }
}

/// An event: its partition, and its number there. Its name is its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Event {
    pub(crate) partition: u32,
    pub(crate) number: u64,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.number)
    }
}

impl Event {
    /// Reads a name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let parts = name.split_once('-').and_then(|(partition, number)| {
            Some(Self { partition: partition.parse().ok()?, number: number.parse().ok()? })
        });
        parts.with_context(|| format!("{name:?} names no event"))
    }

    pub(crate) fn mode(self) -> Mode {
        Mode::of(self.partition)
    }

    pub(crate) fn key(self) -> Result<RecordKey> {
        Ok(RecordKey::new(&Scope::new(SCOPE)?, self.to_string())?)
    }
}

/// Where a partition's state is: how many of its events were handled.
pub(crate) fn state(partition: u32) -> Key {
    Key::new(STATES, partition.to_be_bytes().to_vec())
}

/// A partition's state as a number.
pub(crate) fn count(value: &[u8]) -> Result<u64> {
    Ok(u64::from_be_bytes(value.try_into().context("a state is eight bytes")?))
}

/// Fills the partitions of an embedded store, three events in ten twice. Gives the deliveries.
pub(crate) fn publish(
    store: &Store,
    (keys, partitions): (u64, u32),
    chance: &mut fastrand::Rng,
) -> Result<u64> {
    let mut deliveries = 0;
    for partition in 0..partitions {
        let of_this = (u64::from(partition)..keys).step_by(partitions as usize);
        let mut log: Vec<Event> =
            of_this.zip(0..).map(|(_, number)| Event { partition, number }).collect();
        let twice: Vec<_> =
            log.iter().filter(|_| chance.u32(0..10) < TWICE_OF_TEN).copied().collect();
        log.extend(twice);
        chance.shuffle(&mut log);
        deliveries += log.len() as u64;
        for part in log.chunks(BATCH) {
            let batch = part.iter().fold(Batch::new(), |batch, event| {
                batch.append(EVENTS, partition, UnixTime::from_secs(1), event.to_string())
            });
            store.submit(batch)?.wait()?;
        }
    }
    Ok(deliveries)
}

/// The events of a partition in the order in which a worker handles them.
#[derive(Debug)]
pub(crate) enum Source {
    /// Those of an embedded log, from the group's offset on.
    Log(Store, u32),
    /// All by number from this one on, without an end.
    Numbers(Event),
}

/// A delivery of an event, with what moves its source past it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    pub(crate) event: Event,
    /// The offset behind it, where the store keeps offsets.
    next: Option<u64>,
}

impl Delivered {
    /// What a commit brings along, so that the offset moves with it.
    pub(crate) fn offset(&self) -> Option<Operation> {
        let (group, topic) = (WORKERS.to_owned(), EVENTS.to_owned());
        let partition = self.event.partition;
        self.next.map(|offset| Operation::CommitOffset { group, topic, partition, offset })
    }
}

impl Source {
    /// The next event. None: there is none left.
    pub(crate) fn next(&self) -> Result<Option<Delivered>> {
        match self {
            Self::Numbers(event) => Ok(Some(Delivered { event: *event, next: None })),
            Self::Log(store, partition) => {
                let offset = store.offset(WORKERS, EVENTS, *partition)?.unwrap_or(0);
                let Some(entry) = store.read(EVENTS, *partition, offset, 1)?.into_iter().next()
                else {
                    return Ok(None);
                };
                let event = Event::named(std::str::from_utf8(&entry.payload)?)?;
                Ok(Some(Delivered { event, next: Some(offset + 1) }))
            }
        }
    }

    /// Moves past an event whose commit did not.
    pub(crate) async fn pass(&mut self, delivered: &Delivered) -> Result<()> {
        if let (Self::Log(store, _), Some(offset)) = (&*self, delivered.offset()) {
            store.commit(Batch::new().with(offset)).await?;
        }
        self.settled();
        Ok(())
    }

    /// Notes that an event was committed.
    pub(crate) fn settled(&mut self) {
        if let Self::Numbers(event) = self {
            event.number += 1;
        }
    }
}
