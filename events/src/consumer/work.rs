//! What a consumer does, piece by piece.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_idempotency::Delivery;
use headgate_store::Due;
use headgate_types::{Class, Event, UnixTime};

use super::lanes::Key;
use crate::Entry;

/// A piece of work: all of it ends before the next one of its key begins.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) key: Key,
    pub(super) partition: u32,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// An event from the log.
    Event { offset: u64, event: Event },
    /// An entry that is no event.
    Undecodable { entry: Entry, error: String },
    /// An event whose time has come.
    Delayed { due: Due, delivery: Delivery },
    /// A key whose time has come, with all of its events that wait.
    Ticket { due: Due },
}

/// Tells entries of delay queues apart that are at work.
pub(super) type Taken = (bool, UnixTime, Bytes);

impl Work {
    /// What an entry of the log asks for. None: nothing, as it is no event of this type.
    pub(super) fn of_entry(entry: Entry, kind: &str) -> Option<Self> {
        let (partition, offset) = (entry.partition, entry.offset);
        let (key, what) = match entry.event() {
            Ok(event) if *event.kind != *kind => return None,
            Ok(event) => (Arc::clone(&event.partition_key), What::Event { offset, event }),
            Err(error) => {
                let error = error.to_string();
                // No partition key is empty, so this lane is nobody else's.
                ("".into(), What::Undecodable { entry, error })
            }
        };
        Some(Self { key, partition, what })
    }

    /// What it is worth.
    pub(super) fn class(&self) -> Class {
        match &self.what {
            What::Event { event, .. } => event.priority,
            What::Delayed { delivery, .. } => delivery.event.priority,
            What::Undecodable { .. } | What::Ticket { .. } => Class::default(),
        }
    }

    /// The offset that is settled with it.
    pub(super) fn offset(&self) -> Option<u64> {
        match &self.what {
            What::Event { offset, .. } => Some(*offset),
            What::Undecodable { entry, .. } => Some(entry.offset),
            _ => None,
        }
    }

    /// What it is taken from, where that is a delay queue.
    pub(super) fn taken(&self) -> Option<Taken> {
        match &self.what {
            What::Delayed { due, .. } => Some((false, due.due, due.id.clone())),
            What::Ticket { due } => Some((true, due.due, due.id.clone())),
            _ => None,
        }
    }
}

/// How a piece of work ended.
#[derive(Debug)]
pub(super) enum End {
    /// For good.
    Settled,
    /// Somebody else has taken what it was taken from, and goes on with it.
    Gone,
    /// Somebody else is on it, or something changed meanwhile: again, then.
    Again(Option<UnixTime>),
    /// Something that it needs is down: again when that is up.
    Down { name: Arc<str>, error: String },
}

/// What a piece of work came to.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) end: End,
    /// When something that it put off is due.
    pub(super) due: Option<UnixTime>,
    /// How long the handler ran. Zero: it did not.
    pub(super) ran: Duration,
}

impl Report {
    pub(super) const fn of(end: End) -> Self {
        Self { end, due: None, ran: Duration::ZERO }
    }

    pub(super) const fn settled() -> Self {
        Self::of(End::Settled)
    }

    pub(super) const fn again(at: Option<UnixTime>) -> Self {
        Self::of(End::Again(at))
    }

    pub(super) fn down(name: &str, error: &dyn ToString) -> Self {
        Self::of(End::Down { name: name.into(), error: error.to_string() })
    }

    pub(super) fn due(self, due: UnixTime) -> Self {
        Self { due: Some(due), ..self }
    }
}
