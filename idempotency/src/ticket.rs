//! The right to work on a key, until it is settled or lost.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use headgate_types::Moment;
use parking_lot::Mutex;

use crate::{
    claim::{Claim, OnLost},
    key::RecordKey,
    random::Owner,
    record::Effect,
};

/// The part of a lease, as one in so many, that a worker leaves unused at its end.
const MARGIN: u32 = 10;

/// The right to work on a key. It ends when it is settled, when somebody else takes the key after
/// the lease, or when it is dropped: then the lease runs out by itself.
#[derive(Debug)]
#[must_use = "a ticket that is dropped holds its key until the lease is over"]
pub struct Ticket {
    pub(crate) key: RecordKey,
    pub(crate) owner: Owner,
    pub(crate) fence: u64,
    pub(crate) attempt: u64,
    pub(crate) lease: Duration,
    pub(crate) ttl: Duration,
    /// Whether the record may expire while it is worked on: a held one must not.
    pub(crate) expires: bool,
    pub(crate) effects: Mutex<BTreeMap<String, Effect>>,
    stop_at: AtomicU64,
    settled: bool,
}

/// What a claim won.
#[derive(Debug)]
pub(crate) struct Won {
    pub(crate) owner: Owner,
    pub(crate) fence: u64,
    pub(crate) attempt: u64,
    pub(crate) effects: BTreeMap<String, Effect>,
}

impl Ticket {
    pub(crate) fn new(claim: &Claim, won: Won, sent: Moment) -> Self {
        let ticket = Self {
            key: claim.key.clone(),
            owner: won.owner,
            fence: won.fence,
            attempt: won.attempt,
            lease: claim.lease,
            ttl: claim.ttl,
            expires: claim.on_lost == OnLost::Retry,
            effects: Mutex::new(won.effects),
            stop_at: AtomicU64::new(0),
            settled: false,
        };
        ticket.extend(sent);
        ticket
    }

    /// The key.
    pub const fn key(&self) -> &RecordKey {
        &self.key
    }

    /// The fencing token: it rises with every claim of the key. Pass it to whatever can compare.
    pub const fn fence(&self) -> u64 {
        self.fence
    }

    /// The number of this attempt, from 1.
    pub const fn attempt(&self) -> u64 {
        self.attempt
    }

    /// How long the claim holds without a beat.
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    /// When to stop by oneself, without asking: a tenth before the lease is over, counted from
    /// before the claim or the last beat was sent.
    pub fn stop_at(&self) -> Moment {
        Moment::from_nanos(self.stop_at.load(Ordering::Acquire))
    }

    /// The key that an effect outside is carried out under, the same for every attempt.
    pub fn effect_key(&self, name: &str) -> String {
        self.key.effect_key(name)
    }

    /// What is journaled of an effect, by this attempt or an earlier one.
    pub fn effect(&self, name: &str) -> Option<Effect> {
        self.effects.lock().get(name).cloned()
    }

    /// The lease counts from a moment before the store was asked.
    pub(crate) fn extend(&self, sent: Moment) {
        let usable = self.lease.saturating_sub(self.lease / MARGIN);
        self.stop_at.fetch_max((sent + usable).as_nanos(), Ordering::AcqRel);
    }

    pub(crate) fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            tracing::warn!(key = ?self.key, "ticket dropped unsettled, its lease runs out");
        }
    }
}
