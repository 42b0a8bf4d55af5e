//! A worker: a small consumer with a handler in one of the modes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_store::{Batch, Content, Due, Operation};
use headgate_types::UnixTime;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{
    bug::Bug,
    event::{CHILDREN, Event, GROUP, Ledger, Mode, QUEUE, TOPIC},
    witness::Witness,
};
use crate::{
    Blame, Child, Claimed, Commit, CommitError, Delayed, Effect, OnLost, Once, Outcome, Park,
    Records, Release, Seen, StateWrite, StoreError, Ticket, Uncommitted,
};

/// Runs of a handler because state was changed meanwhile.
const CONFLICTS_MAX: usize = 5;
/// Attempts after which an event is given up.
const ATTEMPTS_MAX: u64 = 4;
pub(crate) const DEAD_LETTERS: &str = "dead";
/// What stands in a result before the fence that it was worked out under, if any.
pub(crate) const FENCED_BY: &str = " by ";
/// The name of the effect outside.
const PAY: &str = "pay";

/// One hand-over of an event.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) event: Event,
    pub(crate) source: Source,
}

/// Where an event came from, which is settled together with it.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Log(u64),
    Queue(Due),
    /// A duplicate from nowhere.
    Stray,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Yes,
    /// Somebody is on it.
    Until(UnixTime),
    No,
}

#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) records: Records,
    pub(crate) mode: Mode,
    pub(crate) bug: Option<Bug>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) witness: Witness,
    pub(crate) chance: Arc<Mutex<fastrand::Rng>>,
    /// Handlers of which one fails. Zero: none.
    pub(crate) failing_in: u32,
}

impl Worker {
    /// Handles a delivery up to its settlement.
    pub(crate) async fn deliver(&self, delivery: &Delivery) -> Settled {
        if self.bug == Some(Bug::OffsetFirst) && self.settle_source(delivery).await.is_err() {
            return Settled::No;
        }
        let settled = match self.mode {
            Mode::Transactional => self.transact(delivery).await,
            _ => self.claim(delivery).await,
        };
        settled.unwrap_or(Settled::No)
    }

    async fn transact(&self, delivery: &Delivery) -> Result<Settled, StoreError> {
        let claim = delivery.event.claim(self.mode);
        for _ in 0..CONFLICTS_MAX {
            let outcome = if self.fails() {
                Outcome::Retry(self.release(delivery))
            } else {
                Outcome::Done(self.commit(delivery, "all", None).await?)
            };
            return match self.records.once(claim.clone(), outcome).await {
                Ok(Once::Committed(_)) => Ok(Settled::Yes),
                Ok(Once::Replay(recorded)) => {
                    self.witness.answered(delivery.event, &recorded.result);
                    self.settle_source(delivery).await
                }
                Ok(Once::Busy { until }) => Ok(Settled::Until(until)),
                Ok(Once::Held(_)) => self.settle_source(delivery).await,
                Ok(Once::Conflict) => Ok(self.conflict(delivery)),
                Err(CommitError::StateConflict { .. }) => continue,
                Err(_) => Ok(Settled::No),
            };
        }
        Ok(Settled::No)
    }

    async fn claim(&self, delivery: &Delivery) -> Result<Settled, StoreError> {
        let mut claim = delivery.event.claim(self.mode);
        if self.bug == Some(Bug::HeldIsRetried) {
            claim.on_lost = OnLost::Retry;
        }
        match self.records.claim(claim).await? {
            Claimed::Run(ticket) => self.run(delivery, ticket).await,
            Claimed::Replay(recorded) => {
                self.witness.answered(delivery.event, &recorded.result);
                self.settle_source(delivery).await
            }
            Claimed::Busy { until } => Ok(Settled::Until(until)),
            Claimed::Held(_) => self.settle_source(delivery).await,
            Claimed::Conflict => Ok(self.conflict(delivery)),
        }
    }

    async fn run(&self, delivery: &Delivery, ticket: Ticket) -> Result<Settled, StoreError> {
        let handler = self.handle(delivery, &ticket);
        let Ok(handled) = self.records.while_held(&ticket, handler).await else {
            return Ok(Settled::No);
        };
        let mut settled = match handled {
            Ok(receipt) => {
                let commit = self.commit(delivery, &receipt, Some(&ticket)).await?;
                self.records.commit(ticket, commit).await
            }
            Err(Failed) if ticket.attempt() >= ATTEMPTS_MAX => {
                self.records.park(ticket, self.park(delivery)).await
            }
            Err(Failed) => self.records.release(ticket, self.release(delivery)).await,
        };
        for _ in 0..CONFLICTS_MAX {
            let Err(Uncommitted { error: CommitError::StateConflict { .. }, ticket: Some(ticket) }) =
                settled
            else {
                break;
            };
            let commit = self.commit(delivery, "again", Some(&ticket)).await?;
            settled = self.records.commit(ticket, commit).await;
        }
        Ok(if settled.is_ok() { Settled::Yes } else { Settled::No })
    }

    /// The handler: an effect outside, keyed or not.
    async fn handle(&self, delivery: &Delivery, ticket: &Ticket) -> Result<String, Failed> {
        self.work().await;
        if self.fails() {
            return Err(Failed);
        }
        if self.mode != Mode::Keyed {
            self.ledger.carry(delivery.event, None);
            self.work().await;
            return Ok("done".to_owned());
        }
        let receipt = match ticket.effect(PAY) {
            Some(Effect::Carried { response }) => response,
            planned => {
                if planned.is_none() {
                    let since = self.records.unix_time();
                    self.journal(ticket, Effect::Planned { since }).await?;
                }
                let mut key = ticket.effect_key(PAY);
                if self.bug == Some(Bug::EffectKeyOfAttempt) {
                    key = format!("{key}-{}", ticket.attempt());
                }
                let response = self.ledger.carry(delivery.event, Some(key));
                self.work().await;
                self.journal(ticket, Effect::Carried { response: response.clone() }).await?;
                response
            }
        };
        Ok(String::from_utf8_lossy(&receipt).into_owned())
    }

    async fn journal(&self, ticket: &Ticket, effect: Effect) -> Result<(), Failed> {
        self.records.journal(ticket, PAY, effect).await.map_err(|_| Failed)
    }

    /// What the handler takes.
    async fn work(&self) {
        let millis = self.chance.lock().u64(0..200);
        sleep(Duration::from_millis(millis)).await;
    }

    fn fails(&self) -> bool {
        self.failing_in > 0 && self.chance.lock().u32(0..self.failing_in) == 0
    }

    /// One more in the event's account, and a child; a result that no other run has.
    async fn commit(
        &self,
        delivery: &Delivery,
        receipt: &str,
        ticket: Option<&Ticket>,
    ) -> Result<Commit, StoreError> {
        let key = delivery.event.account();
        let item = self.records.store().get(&key).await?;
        let seen = item.as_ref().map_or(Seen::Absent, |item| Seen::Version(item.version));
        let count = item.map_or(0, |item| count(&item.content.value)) + 1;
        let content = Content { value: count.to_string().into(), ..Content::default() };
        let name = delivery.event.name();
        let run = self.chance.lock().u64(..);
        let fence = ticket.map_or_else(String::new, |ticket| ticket.fence().to_string());
        Ok(Commit {
            result: format!("{name}: {receipt}, {run:x}{FENCED_BY}{fence}").into(),
            ttl: None,
            state: vec![StateWrite { key, seen, content: Some(content) }],
            emit: vec![self.child(CHILDREN, name)],
            also: also(delivery),
        })
    }

    fn child(&self, topic: &str, payload: String) -> Child {
        Child {
            id: payload.clone(),
            topic: topic.to_owned(),
            partition: 0,
            time: self.records.unix_time(),
            payload: payload.into(),
        }
    }

    fn release(&self, delivery: &Delivery) -> Release {
        let payload = Bytes::copy_from_slice(&delivery.event.0.to_be_bytes());
        let id = format!("{}-{}", delivery.event.name(), self.chance.lock().u64(..));
        Release {
            due: self.records.unix_time() + Duration::from_secs(2),
            error: "it failed".to_owned(),
            blame: Blame::Handler,
            delayed: Some(Delayed { queue: QUEUE.to_owned(), id: id.into(), payload }),
            also: also(delivery),
        }
    }

    fn park(&self, delivery: &Delivery) -> Park {
        Park {
            error: "it failed too often".to_owned(),
            ttl: None,
            emit: vec![self.child(DEAD_LETTERS, delivery.event.name())],
            also: also(delivery),
        }
    }

    /// Settles a delivery whose key needs nothing.
    async fn settle_source(&self, delivery: &Delivery) -> Result<Settled, StoreError> {
        let operations = also(delivery);
        if operations.is_empty() {
            return Ok(Settled::Yes);
        }
        let batch = operations.into_iter().fold(Batch::new(), Batch::with);
        match self.records.store().commit(batch).await {
            // Somebody has taken the delayed entry.
            Ok(_) | Err(StoreError::Refused(_)) => Ok(Settled::Yes),
            Err(error) => Err(error),
        }
    }

    fn conflict(&self, delivery: &Delivery) -> Settled {
        self.witness.violate(format!("{} conflicts with itself", delivery.event.name()));
        Settled::No
    }
}

/// The handler failed, before it had an effect that would be repeated.
#[derive(Clone, Copy, Debug)]
struct Failed;

pub(crate) fn count(value: &[u8]) -> u64 {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// What is written together with a delivery's outcome.
fn also(delivery: &Delivery) -> Vec<Operation> {
    match &delivery.source {
        Source::Log(offset) => vec![Operation::CommitOffset {
            group: GROUP.to_owned(),
            topic: TOPIC.to_owned(),
            partition: 0,
            offset: offset + 1,
        }],
        Source::Queue(Due { due, id, .. }) => {
            vec![Operation::Take { queue: QUEUE.to_owned(), due: *due, id: id.clone() }]
        }
        Source::Stray => Vec::new(),
    }
}
