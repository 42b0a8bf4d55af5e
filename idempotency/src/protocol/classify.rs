//! What the record that stands under a key means to somebody who wants the key.

use std::time::Duration;

use headgate_types::UnixTime;

use crate::{
    claim::{Claim, Held, HeldAs, OnLost, Recorded},
    record::{Record, State, millis, time},
};

/// How a key stands to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Replay(Recorded),
    /// Somebody works on it.
    Busy {
        until: UnixTime,
    },
    /// Its next attempt is not due; a worker that was handed the event may make it all the same.
    Waiting {
        record: Box<Record>,
        until: UnixTime,
    },
    Conflict,
    Held(Held),
    /// It can be taken by compare-and-set.
    Free {
        record: Box<Record>,
        start: Start,
    },
    /// Its worker is lost, and it must be held by compare-and-set.
    Lost(Box<Record>),
}

/// Where attempts count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// On from the last one, with the effects that it journaled.
    Again,
    /// From the beginning: what stands there has expired.
    Anew,
}

/// The times by which a record is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) now: UnixTime,
    /// How far clocks may differ.
    pub(crate) skew: Duration,
    /// For how long this process has seen the same owner with the same beat, by its monotonic
    /// clock.
    pub(crate) watched: Duration,
}

/// Judges a record.
pub(crate) fn classify(claim: &Claim, record: Record, look: Look) -> Standing {
    let alive = alive_until(&record, look);
    // Before everything else, and expired or not: what may have happened must not happen again.
    if record.state == State::Run && alive.is_none() && claim.on_lost == OnLost::Hold {
        return Standing::Lost(record.into());
    }
    if record.has_expired(look.now) {
        return Standing::Free { record: record.into(), start: Start::Anew };
    }
    if record.fingerprint != claim.fingerprint.as_bytes().as_slice() {
        return Standing::Conflict;
    }
    match record.state {
        State::Done | State::Rejected => Standing::Replay(recorded(&record)),
        State::Hold => Standing::Held(held(&record, HeldAs::InDoubt)),
        State::Park => Standing::Held(held(&record, HeldAs::Parked)),
        State::Run => match alive {
            Some(until) => Standing::Busy { until },
            None => Standing::Free { record: record.into(), start: Start::Again },
        },
        State::Retry if record.next > millis(look.now) => {
            Standing::Waiting { until: time(record.next), record: record.into() }
        }
        State::Retry => Standing::Free { record: record.into(), start: Start::Again },
    }
}

/// Until when the worker must be taken for alive, by our wall clock; none when it is lost.
///
/// Its lease is over when our wall clock says so with the skew on top, or when we have watched the
/// same beat for a whole lease, whatever the wall clocks say.
fn alive_until(record: &Record, look: Look) -> Option<UnixTime> {
    let lease = Duration::from_millis(record.lease);
    let by_wall = time(record.lease_end) + look.skew;
    let by_watch = lease.checked_sub(look.watched).filter(|rest| !rest.is_zero())?;
    let rest = by_wall.since(look.now);
    let is_over = millis(by_wall) < millis(look.now);
    // A millisecond later it is over for certain.
    (!is_over).then(|| look.now + rest.min(by_watch) + Duration::from_millis(1))
}

pub(crate) fn recorded(record: &Record) -> Recorded {
    Recorded {
        result: record.result.clone(),
        rejected: record.state == State::Rejected,
        fence: record.fence,
        attempts: record.attempt,
        trace: record.trace,
        expires: record.expires,
    }
}

pub(crate) fn held(record: &Record, state: HeldAs) -> Held {
    Held {
        state,
        fence: record.fence,
        attempts: record.attempt,
        error: String::from_utf8_lossy(&record.error).into_owned(),
    }
}
