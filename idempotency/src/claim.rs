//! What a worker asks for before it works, and what it is told.

use std::time::Duration;

use bytes::Bytes;
use headgate_types::{TraceId, UnixTime};

use crate::{
    fingerprint::Fingerprint, key::RecordKey, outcome::Committed, record::State,
    settings::Settings, ticket::Ticket,
};

/// What becomes of a key whose worker died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLost {
    /// Somebody else runs it again. An effect outside that honors no key may happen once more for
    /// each loss.
    #[default]
    Retry,
    /// It is held until somebody says what happened. Nothing happens twice.
    Hold,
}

/// A wish to work on a key.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The key.
    pub key: RecordKey,
    /// Of the payload: the same key with another payload is a conflict.
    pub fingerprint: Fingerprint,
    /// How long the claim holds without a beat.
    pub lease: Duration,
    /// How long the outcome is kept, from its commit on.
    pub ttl: Duration,
    /// What becomes of the key if a worker dies.
    pub on_lost: OnLost,
    /// Kept in the record, to find the first attempt by.
    pub trace: Option<TraceId>,
}

impl Claim {
    /// A claim with the lease and the time to live of the settings, which is retried when lost.
    pub const fn new(key: RecordKey, fingerprint: Fingerprint, settings: &Settings) -> Self {
        let Settings { lease, ttl, .. } = *settings;
        Self { key, fingerprint, lease, ttl, on_lost: OnLost::Retry, trace: None }
    }
}

/// The answer to a claim.
#[derive(Debug)]
#[must_use]
pub enum Claimed {
    /// The key is this worker's: run, then settle the ticket.
    Run(Ticket),
    /// The key has an outcome: answer it, and run nothing.
    Replay(Recorded),
    /// Somebody else works on the key, or its next attempt is not due: ask again then.
    Busy {
        /// When asking again makes sense, by this worker's clock.
        until: UnixTime,
    },
    /// The key was used for another payload.
    Conflict,
    /// The key waits for a person: settle the delivery, leave the record.
    Held(Held),
}

/// The answer to a commit without a claim.
#[derive(Debug)]
#[must_use]
pub enum Once {
    /// The commit took place.
    Committed(Committed),
    /// The key has an outcome, and nothing was written: answer it.
    Replay(Recorded),
    /// Somebody works on the key: ask again then. Nothing was written.
    Busy {
        /// When asking again makes sense, by this worker's clock.
        until: UnixTime,
    },
    /// The key was used for another payload. Nothing was written.
    Conflict,
    /// The key waits for a person. Nothing was written.
    Held(Held),
}

/// An outcome that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Exactly the bytes that were committed.
    pub result: Bytes,
    /// Whether the handler refused the event for good.
    pub rejected: bool,
    /// The claim that it is the outcome of.
    pub fence: u64,
    /// The attempts that were made.
    pub attempts: u64,
    /// The trace of the attempt.
    pub trace: Option<TraceId>,
    /// Until when it is kept at least. None: for ever.
    pub expires: Option<UnixTime>,
}

/// A key that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub state: HeldAs,
    /// Names this stand: a resolution of it must say so.
    pub fence: u64,
    /// The attempts that were made.
    pub attempts: u64,
    /// The last error's text.
    pub error: String,
}

/// Why a key waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldAs {
    /// Whether its effect happened is not known.
    InDoubt,
    /// It was given up.
    Parked,
}

impl HeldAs {
    pub(crate) const fn state(self) -> State {
        match self {
            Self::InDoubt => State::Hold,
            Self::Parked => State::Park,
        }
    }
}
