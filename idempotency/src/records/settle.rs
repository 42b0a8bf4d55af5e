//! Settling a claim, and settling without one.

use super::{
    Records,
    claim::{CONTENDED, ROUNDS_MAX, parse},
    send::Sent,
    stats::count,
};
use crate::{
    claim::{Claim, Held, Once},
    error::{CommitError, Uncommitted},
    key::RecordKey,
    outcome::{Commit, Committed, Hold, Outcome, Park, Release, Resolution},
    protocol::{
        classify::Standing,
        settle::{Settlement, refused},
    },
    random::Owner,
    record::Record,
    ticket::Ticket,
};

impl Records {
    /// Commits a result with everything that belongs to it, in one write.
    ///
    /// # Errors
    ///
    /// [`Uncommitted`], with the ticket where it is still good. After
    /// [`StoreError::InDoubt`](crate::StoreError::InDoubt) the same commit may be tried again with it: what was written is
    /// known again.
    ///
    /// # Cancel safety
    ///
    /// A commit that is dropped may take place or not, as a whole.
    pub async fn commit(&self, ticket: Ticket, commit: Commit) -> Result<Committed, Uncommitted> {
        self.settle(ticket, Outcome::Done(commit)).await
    }

    /// Commits a refusal for good: duplicates are answered it, and the handler does not run again.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub async fn reject(&self, ticket: Ticket, commit: Commit) -> Result<Committed, Uncommitted> {
        self.settle(ticket, Outcome::Rejected(commit)).await
    }

    /// Gives a key back, to be tried again when it is due. The record stays, with its attempts.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub async fn release(
        &self,
        ticket: Ticket,
        release: Release,
    ) -> Result<Committed, Uncommitted> {
        self.settle(ticket, Outcome::Retry(release)).await
    }

    /// Gives a key up, together with its dead letter.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub async fn park(&self, ticket: Ticket, park: Park) -> Result<Committed, Uncommitted> {
        self.settle(ticket, Outcome::Park(park)).await
    }

    /// Holds a key of which its own worker does not know whether the effect happened.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub async fn hold(&self, ticket: Ticket, hold: Hold) -> Result<Committed, Uncommitted> {
        self.settle(ticket, Outcome::Hold(hold)).await
    }

    /// Ends an attempt in any way.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub async fn settle(&self, ticket: Ticket, outcome: Outcome) -> Result<Committed, Uncommitted> {
        let is_held = matches!(outcome, Outcome::Hold(_));
        let settled = self.settle_ticket(&ticket, outcome).await;
        match settled {
            Ok(committed) => {
                count(&self.inner.counters.settled);
                if is_held {
                    count(&self.inner.counters.held);
                }
                ticket.settle();
                Ok(committed)
            }
            Err(CommitError::Fenced) => {
                count(&self.inner.counters.fenced);
                ticket.settle();
                Err(Uncommitted { error: CommitError::Fenced, ticket: None })
            }
            Err(error) => Err(Uncommitted { error, ticket: Some(ticket) }),
        }
    }

    async fn settle_ticket(
        &self,
        ticket: &Ticket,
        outcome: Outcome,
    ) -> Result<Committed, CommitError> {
        let now = self.inner.clock.unix_time();
        let settlement = Settlement::new(outcome, ticket.ttl, now);
        let mark = settlement.mark(ticket.owner);
        let batch = settlement.of_ticket(ticket, &*self.inner.store)?;
        match self.send(&ticket.key, &batch, &mark).await? {
            Sent::Written { version, durability } => Ok(Committed { version, durability }),
            Sent::Refused(refusal) if refusal.operation == 0 => Err(CommitError::Fenced),
            Sent::Refused(refusal) => Err(refused(&batch, &refusal)),
        }
    }

    /// Settles a key without a claim: one write for an event whose effects are all in the outcome.
    /// Of two that work at once both compute, and one commits.
    ///
    /// # Errors
    ///
    /// [`CommitError`], but never [`CommitError::Fenced`]: what stands in the way is an answer.
    ///
    /// # Cancel safety
    ///
    /// A commit that is dropped may take place or not, as a whole.
    pub async fn once(
        &self,
        claim: Claim,
        outcome: impl Into<Outcome>,
    ) -> Result<Once, CommitError> {
        let found = self.first_sight(&claim.key).await?;
        self.once_over(&claim, outcome.into(), found).await
    }

    /// As [`once`](Self::once), over what was found under the key a while ago.
    pub(crate) async fn once_over(
        &self,
        claim: &Claim,
        outcome: Outcome,
        mut found: Option<Record>,
    ) -> Result<Once, CommitError> {
        let owner = Owner::draw(&*self.inner.random);
        let settlement = Settlement::new(outcome, claim.ttl, self.inner.clock.unix_time());
        let mark = settlement.mark(owner);
        for _ in 0..ROUNDS_MAX {
            let over = match found.take() {
                None => None,
                Some(record) => match self.stand(claim, record) {
                    Standing::Free { record, .. } | Standing::Waiting { record, .. } => {
                        Some(record)
                    }
                    Standing::Lost(record) => match self.hold_lost(&claim.key, &record).await? {
                        Ok(held) => return Ok(Once::Held(held)),
                        Err(current) => {
                            found = current;
                            continue;
                        }
                    },
                    Standing::Replay(recorded) => return Ok(Once::Replay(recorded)),
                    Standing::Busy { until } => return Ok(Once::Busy { until }),
                    Standing::Conflict => return Ok(Once::Conflict),
                    Standing::Held(held) => return Ok(Once::Held(held)),
                },
            };
            let now = self.inner.clock.unix_time();
            let (store, over) = (&*self.inner.store, over.as_deref());
            let batch = settlement.clone().of_once((claim, owner), over, now, store)?;
            match self.send(&claim.key, &batch, &mark).await? {
                Sent::Written { version, durability } => {
                    count(&self.inner.counters.settled);
                    return Ok(Once::Committed(Committed { version, durability }));
                }
                Sent::Refused(refusal) if refusal.operation == 0 => {
                    found = parse(&claim.key, refusal.current)?;
                }
                Sent::Refused(refusal) => return Err(refused(&batch, &refusal)),
            }
        }
        Ok(Once::Busy { until: self.inner.clock.unix_time() + CONTENDED })
    }

    /// Resolves a key that waits for a person, as the person saw it: of two that resolve it at
    /// once, one does.
    ///
    /// # Errors
    ///
    /// [`CommitError::Fenced`] when it does not stand as `held` says any more.
    pub async fn resolve(
        &self,
        key: &RecordKey,
        held: &Held,
        resolution: Resolution,
    ) -> Result<Committed, CommitError> {
        let outcome = match resolution {
            Resolution::Done(commit) => Outcome::Done(commit),
            Resolution::Rejected(commit) => Outcome::Rejected(commit),
            Resolution::Retry(release) => Outcome::Retry(release),
        };
        let owner = Owner::draw(&*self.inner.random);
        let now = self.inner.clock.unix_time();
        let settlement = Settlement::new(outcome, self.inner.settings.ttl, now);
        let mark = settlement.mark(owner);
        let batch = settlement.of_resolution(key, held, owner, &*self.inner.store)?;
        match self.send(key, &batch, &mark).await? {
            Sent::Written { version, durability } => {
                count(&self.inner.counters.resolved);
                Ok(Committed { version, durability })
            }
            Sent::Refused(refusal) if refusal.operation == 0 => Err(CommitError::Fenced),
            Sent::Refused(refusal) => Err(refused(&batch, &refusal)),
        }
    }
}
