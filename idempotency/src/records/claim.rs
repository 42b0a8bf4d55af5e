//! Claiming and renewing.

use std::time::Duration;

use headgate_store::Item;

use super::{Records, send::Sent, stats::count};
use crate::{
    claim::{Claim, Claimed, Held, HeldAs},
    error::TicketError,
    key::RecordKey,
    protocol::{
        Mark,
        claim::{LOST, anew, hold, renew, take},
        classify::{Standing, classify},
    },
    random::Owner,
    record::{EFFECTS_MAX, Effect, Record, State},
    store::StoreError,
    ticket::Ticket,
};

/// Times that a claim looks again because somebody was faster.
pub(super) const ROUNDS_MAX: usize = 4;
/// When to come again to a key that many want at once.
pub(super) const CONTENDED: Duration = Duration::from_millis(50);

impl Records {
    /// Claims a key, or tells what stands under it. A new key costs one write; a duplicate costs
    /// one request, which is a read where the store reads for free.
    ///
    /// # Errors
    ///
    /// [`StoreError`]. After [`StoreError::InDoubt`] the key may be claimed until the lease is over.
    ///
    /// # Cancel safety
    ///
    /// A claim that is dropped may hold the key until the lease is over.
    pub async fn claim(&self, claim: Claim) -> Result<Claimed, StoreError> {
        let owner = Owner::draw(&*self.inner.random);
        let mark = Mark::of(owner, State::Run);
        let mut found = self.first_sight(&claim.key).await?;
        for _ in 0..ROUNDS_MAX {
            let (sent, now) = (self.inner.clock.now(), self.inner.clock.unix_time());
            let counters = &self.inner.counters;
            let is_lost = found.as_ref().is_some_and(|record| record.state == State::Run);
            let (batch, won) = match found.take() {
                None => anew(&claim, owner, now),
                Some(record) => match self.stand(&claim, record) {
                    Standing::Free { record, start } => take(&claim, owner, &record, start, now),
                    Standing::Lost(record) => match self.hold_lost(&claim.key, &record).await? {
                        Ok(held) => return Ok(Claimed::Held(held)),
                        Err(current) => {
                            found = current;
                            continue;
                        }
                    },
                    Standing::Replay(recorded) => return Ok(Claimed::Replay(recorded)),
                    Standing::Busy { until } | Standing::Waiting { until, .. } => {
                        return Ok(Claimed::Busy { until });
                    }
                    Standing::Conflict => return Ok(Claimed::Conflict),
                    Standing::Held(held) => return Ok(Claimed::Held(held)),
                },
            };
            match self.send(&claim.key, &batch, &mark).await? {
                Sent::Written { .. } => {
                    self.inner.watch.lock().forget(&claim.key);
                    count(&counters.claimed);
                    if is_lost {
                        count(&counters.taken_over);
                    }
                    return Ok(Claimed::Run(Ticket::new(&claim, won, sent)));
                }
                Sent::Refused(refused) => found = parse(&claim.key, refused.current)?,
            }
        }
        Ok(Claimed::Busy { until: self.inner.clock.unix_time() + CONTENDED })
    }

    /// Renews a claim for a whole lease from now on.
    ///
    /// # Errors
    ///
    /// [`TicketError::Fenced`]: stop. [`TicketError::Store`]: ask again, up to
    /// [`stop_at`](Ticket::stop_at).
    pub async fn renew(&self, ticket: &Ticket) -> Result<(), TicketError> {
        self.write_beat(ticket, None).await
    }

    /// Writes down what is known of an effect outside, before and after it is carried out, and
    /// renews the claim with the same write. The next attempt finds it in its
    /// [ticket](Ticket::effect).
    ///
    /// That an effect was carried out is known to the ticket even when it could not be written
    /// down: a release, hold or park writes it too.
    ///
    /// # Errors
    ///
    /// As [`renew`](Self::renew), and [`StoreError::Invalid`] above [`EFFECTS_MAX`] effects.
    pub async fn journal(
        &self,
        ticket: &Ticket,
        name: &str,
        effect: Effect,
    ) -> Result<(), TicketError> {
        let is_full = {
            let known = ticket.effects.lock();
            known.len() >= EFFECTS_MAX && !known.contains_key(name)
        };
        if is_full {
            let detail = format!("a record journals at most {EFFECTS_MAX} effects");
            return Err(StoreError::Invalid(detail).into());
        }
        if matches!(effect, Effect::Carried { .. }) {
            ticket.effects.lock().insert(name.to_owned(), effect.clone());
        }
        self.write_beat(ticket, Some((name, &effect))).await?;
        ticket.effects.lock().insert(name.to_owned(), effect);
        Ok(())
    }

    async fn write_beat(
        &self,
        ticket: &Ticket,
        effect: Option<(&str, &Effect)>,
    ) -> Result<(), TicketError> {
        let (sent, now) = (self.inner.clock.now(), self.inner.clock.unix_time());
        let batch = renew(ticket, effect, now);
        // A record that bears the mark is still ours, but does not tell whether this beat arrived.
        let mark = Mark::of(ticket.owner, State::Run);
        match self.send(&ticket.key, &batch, &mark).await? {
            Sent::Written { durability: Some(_), .. } => {
                ticket.extend(sent);
                Ok(())
            }
            Sent::Written { durability: None, .. } => {
                Err(StoreError::InDoubt("the answer to a beat was lost".to_owned()).into())
            }
            Sent::Refused(_) => {
                count(&self.inner.counters.fenced);
                Err(TicketError::Fenced)
            }
        }
    }

    /// Holds a key whose worker is lost, unless it came back meanwhile: then what stands there.
    pub(super) async fn hold_lost(
        &self,
        key: &RecordKey,
        record: &Record,
    ) -> Result<Result<Held, Option<Record>>, StoreError> {
        let batch = hold(key, record);
        match self.send(key, &batch, &Mark::of(record.owner, State::Hold)).await? {
            Sent::Written { .. } => {
                count(&self.inner.counters.held);
                Ok(Ok(Held {
                    state: HeldAs::InDoubt,
                    fence: record.fence,
                    attempts: record.attempt,
                    error: LOST.to_owned(),
                }))
            }
            Sent::Refused(refused) => Ok(Err(parse(key, refused.current)?)),
        }
    }

    /// What stands under a key, where that costs nothing to know before writing.
    pub(super) async fn first_sight(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        if self.inner.store.reads_first() { self.read(key).await } else { Ok(None) }
    }

    pub(super) fn stand(&self, claim: &Claim, record: Record) -> Standing {
        let look = self.look(&claim.key, &record);
        let standing = classify(claim, record, look);
        match standing {
            Standing::Replay(_) => count(&self.inner.counters.replayed),
            Standing::Conflict => count(&self.inner.counters.conflicts),
            Standing::Busy { .. } => count(&self.inner.counters.busy),
            _ => {}
        }
        standing
    }
}

/// What a refusal returned.
pub(super) fn parse(key: &RecordKey, item: Option<Item>) -> Result<Option<Record>, StoreError> {
    item.map(|item| Record::read(key, &item)).transpose()
}

#[cfg(test)]
mod tests;
