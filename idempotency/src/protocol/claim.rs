//! Claiming, taking over, holding and renewing.

use std::collections::BTreeMap;

use headgate_store::{Batch, Condition, Edit};
use headgate_types::UnixTime;

use super::{classify::Start, is_owned, is_state, is_unchanged};
use crate::{
    claim::{Claim, OnLost},
    key::RecordKey,
    random::Owner,
    record::{
        BEAT, Claimant, ERROR, Effect, LEASE, LEASE_END, Record, STATE, State, error_text, millis,
        time,
    },
    ticket::{Ticket, Won},
};

/// The text that a key gets which is held because its worker is gone.
pub(crate) const LOST: &str = "the worker was lost while it ran";

/// Where fences start, so that they rise over a removal of the record too: milliseconds with room
/// for 4,096 claims in each.
pub(crate) fn first_fence(now: UnixTime) -> u64 {
    millis(now) << 12
}

/// When a record's first fence was given: the claims since have moved it by far less than a second.
pub(crate) fn claimed_at(fence: u64) -> UnixTime {
    time(fence >> 12)
}

/// Claims a key that has no record.
pub(crate) fn anew(claim: &Claim, owner: Owner, now: UnixTime) -> (Batch, Won) {
    let won = Won { owner, fence: first_fence(now), attempt: 1, effects: BTreeMap::new() };
    (write(claim, &won, now, Condition::Absent), won)
}

/// Takes a key whose record was read and is free.
pub(crate) fn take(
    claim: &Claim,
    owner: Owner,
    record: &Record,
    start: Start,
    now: UnixTime,
) -> (Batch, Won) {
    let (attempt, effects) = match start {
        Start::Again => (record.attempt.saturating_add(1), record.effects.clone()),
        Start::Anew => (1, BTreeMap::new()),
    };
    let won = Won { owner, fence: record.fence.saturating_add(1), attempt, effects };
    (write(claim, &won, now, is_unchanged(record)), won)
}

fn write(claim: &Claim, won: &Won, now: UnixTime, when: Condition) -> Batch {
    let lease_end = now + claim.lease;
    let claimant = Claimant {
        key: &claim.key,
        owner: won.owner,
        fence: won.fence,
        lease_end,
        lease: u64::try_from(claim.lease.as_millis()).unwrap_or(u64::MAX),
        fingerprint: &claim.fingerprint,
        attempt: won.attempt,
        trace: claim.trace,
        effects: &won.effects,
        expires: (claim.on_lost == OnLost::Retry).then(|| lease_end + claim.ttl),
    };
    Batch::new().put(claim.key.item().clone(), claimant.content(), when)
}

/// Holds a key whose worker is lost. Owner and fence stay: should it come back, nobody ran since,
/// and it may still settle what it did.
pub(crate) fn hold(key: &RecordKey, record: &Record) -> Batch {
    let edits = vec![
        Edit::Set(STATE.to_owned(), State::Hold.code().into()),
        Edit::Set(ERROR.to_owned(), error_text(LOST).into()),
        Edit::Remove(LEASE_END.to_owned()),
        Edit::Remove(LEASE.to_owned()),
        Edit::Expires(None),
    ];
    Batch::new().update(key.item().clone(), edits, is_unchanged(record)).from_reserve()
}

/// Renews a lease, and journals an effect with the same write. Everything that an owner writes
/// moves the beat, so that a takeover never builds on what it read before.
pub(crate) fn renew(ticket: &Ticket, effect: Option<(&str, &Effect)>, now: UnixTime) -> Batch {
    let lease_end = now + ticket.lease;
    let mut edits = vec![
        Edit::Set(LEASE_END.to_owned(), millis(lease_end).into()),
        Edit::Add { name: BEAT.to_owned(), amount: 1, from: 0 },
    ];
    if ticket.expires {
        edits.push(Edit::Expires(Some(lease_end + ticket.ttl)));
    }
    edits.extend(effect.map(|(name, effect)| effect.edit(name)));
    let when = Condition::All(vec![is_owned(ticket.owner, ticket.fence), is_state(State::Run)]);
    // What was begun before the disk filled up must not be lost for want of a beat.
    Batch::new().update(ticket.key.item().clone(), edits, when).from_reserve()
}
