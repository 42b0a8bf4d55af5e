//! What the simulated workers handle, and where its effects show.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use headgate_store::Key;
use parking_lot::Mutex;

use crate::{Claim, Fingerprint, OnLost, RecordKey, Scope, Settings};

pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// Longer than any run, with clocks that are ten minutes wrong.
const TTL: Duration = Duration::from_hours(6);
/// States that events share, so that some of them conflict.
const ACCOUNTS: u32 = 3;
pub(crate) const TOPIC: &str = "in";
pub(crate) const GROUP: &str = "workers";
pub(crate) const CHILDREN: &str = "out";
pub(crate) const QUEUE: &str = "again";
pub(crate) const STATE: &str = "accounts";

/// How a handler's effects are made exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// All effects are in the commit.
    Transactional,
    /// An effect outside is carried out under a key that the other side honors.
    Keyed,
    /// An effect outside honors no key, and a lost worker's event is run again.
    LeasedRetry,
    /// An effect outside honors no key, and a lost worker's event is held.
    LeasedHold,
}

impl Mode {
    pub(crate) const ALL: [Self; 4] =
        [Self::Transactional, Self::Keyed, Self::LeasedRetry, Self::LeasedHold];
}

/// An event of the log. Several may have one number: a producer that sent it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event(pub(crate) u32);

impl Event {
    pub(crate) fn claim(self, mode: Mode) -> Claim {
        let on_lost = if mode == Mode::LeasedHold { OnLost::Hold } else { OnLost::Retry };
        let fingerprint = Fingerprint::of_bytes(&self.0.to_be_bytes());
        let claim = Claim::new(self.key(), fingerprint, &Settings::default());
        Claim { lease: LEASE, ttl: TTL, on_lost, ..claim }
    }

    pub(crate) fn key(self) -> RecordKey {
        let scope = Scope::new("sim").expect("the name is plain");
        RecordKey::new(&scope, self.name()).expect("the key is short")
    }

    pub(crate) fn name(self) -> String {
        format!("event-{}", self.0)
    }

    pub(crate) fn account(self) -> Key {
        Key::new(STATE, format!("account-{}", self.0 % ACCOUNTS))
    }
}

/// The world outside: what was really carried out, however often it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    carried: BTreeMap<u32, u32>,
    by_key: BTreeMap<String, Bytes>,
}

impl Ledger {
    /// Carries an effect out. The same key again is answered as the first time, and does nothing.
    pub(crate) fn carry(&self, event: Event, key: Option<String>) -> Bytes {
        let mut entries = self.entries.lock();
        let Entries { carried, by_key } = &mut *entries;
        let Some(key) = key else {
            *carried.entry(event.0).or_default() += 1;
            return Bytes::new();
        };
        by_key
            .entry(key)
            .or_insert_with(|| {
                let times = carried.entry(event.0).or_default();
                *times += 1;
                format!("receipt {times} of {}", event.0).into()
            })
            .clone()
    }

    /// How often an event's effect was carried out.
    pub(crate) fn carried(&self, event: Event) -> u32 {
        self.entries.lock().carried.get(&event.0).copied().unwrap_or_default()
    }
}
