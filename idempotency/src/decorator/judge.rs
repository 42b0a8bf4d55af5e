//! What is recorded of a run, and how its delivery ends with that.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Decorated,
    run::{End, Ran},
    tell::Told,
};
use crate::{
    child::Child,
    claim::OnLost,
    context::{Left, Mode as _, Stop},
    dead_letter::{Reason, dead_letter},
    delivery::{Again, Delivery, Settlement, delayed},
    error::CommitError,
    fault::Fault,
    handler::Handler,
    key::RecordKey,
    outcome::{Blame, Commit, Delayed, Hold, Outcome, Park, Release},
};

/// Attempts that may panic before an event is given up.
const PANICS_MAX: u32 = 1;

/// One attempt, with all its runs.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) key: &'a RecordKey,
    /// From 1.
    pub(super) number: u32,
}

/// What is recorded, and the delivery's end once it is.
#[derive(Debug)]
pub(super) struct Verdict {
    /// None: nothing is.
    pub(super) outcome: Option<Outcome>,
    pub(super) settlement: Settlement,
}

impl<H: Handler> Decorated<H> {
    pub(super) fn judge(&self, attempt: &Attempt<'_>, ran: Ran) -> Verdict {
        let Left { state, emit, stop, in_doubt } = ran.left;
        let must_hold = !H::Mode::HONORED && self.terms.on_lost == OnLost::Hold;
        let is_done = matches!(ran.end, End::Done(_));
        let doubt = in_doubt.filter(|_| must_hold && !is_done);
        let stop = stop.or_else(|| {
            doubt.map(|effect| Stop::Hold(format!("{effect:?} was begun and not seen to its end")))
        });
        let also = attempt.delivery.also.clone();
        let told = |word, result: &Bytes| self.told(&attempt.delivery.event, word, Some(result));
        let (outcome, settlement) = match (stop, ran.end) {
            (Some(Stop::Fenced), _) => {
                return Verdict { outcome: None, settlement: Settlement::Fenced };
            }
            (Some(Stop::Hold(error)), _) => {
                let emit = self.letter(attempt, &error, Reason::InDoubt);
                let hold = Hold { error: error.clone(), emit, also };
                (Outcome::Hold(hold), Settlement::Held { error })
            }
            (None, End::Done(result)) => {
                let emit = emit.into_iter().chain(told(Told::Done, &result)).collect();
                let commit = Commit { result: result.clone(), ttl: None, state, emit, also };
                (Outcome::Done(commit), Settlement::Done { result })
            }
            (None, End::Fault(Fault::Dependency { name, error })) => {
                let settlement = Settlement::Dependency { name, error };
                return Verdict { outcome: None, settlement };
            }
            (None, End::Fault(Fault::Terminal { error })) => {
                let result = refusal(&error);
                let emit = told(Told::Refused, &result).into_iter().collect();
                let commit = Commit { result: result.clone(), emit, also, ..Commit::default() };
                (Outcome::Rejected(commit), Settlement::Rejected { result })
            }
            (None, End::Fault(Fault::Retry { error, after })) => {
                self.again(attempt, error, after, Reason::Attempts)
            }
            (None, End::Fault(Fault::InDoubt { error })) => {
                self.again(attempt, error, None, Reason::Attempts)
            }
            (None, End::Panicked(error)) => self.again(attempt, error, None, Reason::Panic),
            (None, End::Unreadable(error)) => self.park(attempt, error, Reason::Unreadable),
        };
        Verdict { outcome: Some(outcome), settlement }
    }

    /// What is recorded in place of an outcome that can't be.
    ///
    /// # Errors
    ///
    /// The error itself where nothing can be written.
    pub(super) fn instead(
        &self,
        attempt: &Attempt<'_>,
        error: CommitError,
    ) -> Result<(Outcome, Settlement), CommitError> {
        let said = error.to_string();
        match error {
            CommitError::StateConflict { .. } => {
                Ok(self.defer(attempt, said, None, Blame::Dependency))
            }
            CommitError::TooLarge { .. } | CommitError::ReservedSpace => {
                Ok(self.park(attempt, said, Reason::TooLarge))
            }
            error => Err(error),
        }
    }

    fn again(
        &self,
        attempt: &Attempt<'_>,
        error: String,
        after: Option<Duration>,
        reason: Reason,
    ) -> (Outcome, Settlement) {
        let failed_max = match reason {
            Reason::Panic => PANICS_MAX.min(self.terms.retry.attempts_max.saturating_sub(1)),
            _ => self.terms.retry.attempts_max.saturating_sub(1),
        };
        if attempt.number > failed_max {
            return self.park(attempt, error, reason);
        }
        self.defer(attempt, error, after, Blame::Handler)
    }

    /// The event goes into the delay queue, because its offset moves on.
    pub(super) fn defer(
        &self,
        attempt: &Attempt<'_>,
        error: String,
        after: Option<Duration>,
        blame: Blame,
    ) -> (Outcome, Settlement) {
        let Attempt { delivery, key, number } = *attempt;
        let next = if blame == Blame::Handler { number.saturating_add(1) } else { number };
        let payload = match delayed(&delivery.event, next) {
            Ok(payload) => payload,
            Err(invalid) => return self.park(attempt, invalid.to_string(), Reason::Unreadable),
        };
        let wait = after.unwrap_or_else(|| self.terms.retry.wait(number, self.records.bits()));
        let until = self.records.unix_time() + wait;
        let (delayed, also) = if let Some(deferral) = &delivery.deferral {
            (None, deferral.operations(&Again { due: until, payload }))
        } else {
            let id = key.item().key.clone();
            let delayed = Delayed { queue: self.scope.to_string(), id, payload };
            (Some(delayed), delivery.also.clone())
        };
        let release = Release { due: until, error: error.clone(), blame, delayed, also };
        (Outcome::Retry(release), Settlement::Deferred { until, error })
    }

    fn park(&self, attempt: &Attempt<'_>, error: String, reason: Reason) -> (Outcome, Settlement) {
        let told = self.told(&attempt.delivery.event, Told::GivenUp, None);
        let emit = self.letter(attempt, &error, reason).into_iter().chain(told).collect();
        let also = attempt.delivery.also.clone();
        let park = Park { error: error.clone(), ttl: None, emit, also };
        (Outcome::Park(park), Settlement::Parked { error })
    }

    fn letter(&self, attempt: &Attempt<'_>, error: &str, reason: Reason) -> Vec<Child> {
        let Attempt { delivery, number, .. } = *attempt;
        let now = self.records.unix_time();
        let letter = dead_letter(&delivery.event, &self.scope, (reason, error), number, now);
        letter
            .inspect_err(|invalid| {
                // Only an event that no log accepts; its record still says why it was given up.
                tracing::error!(%invalid, scope = %self.scope, "event without a dead letter");
            })
            .into_iter()
            .collect()
    }
}

/// A refusal as it is recorded.
fn refusal(error: &str) -> Bytes {
    Bytes::from(serde_json::json!({ "error": error }).to_string())
}
