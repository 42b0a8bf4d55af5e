//! Bringing letters back, and settling what is held.

use std::time::Duration;

use bytes::Bytes;
use headgate_idempotency::{
    Blame, Commit, CommitError, Delayed, Delivery, Held, HeldAs, RecordKey, Release, Resolution,
};
use headgate_store::{Condition, Edit, Operation};
use headgate_types::Event;
use serde::Serialize;

use super::TIMES;
use super::{DeadLetterError, DeadLetters, Letter, LetterState, Which, redrives_key};
use crate::{AUDIT_TOPIC, Deliver};

/// How often a letter is redriven at most: one that still fails needs another handler.
pub const REDRIVES_MAX: u32 = 3;
/// How long it is known how often a letter was redriven.
const REDRIVES_KEPT: Duration = Duration::from_hours(30 * 24);

/// Who changes a letter, and why. Both stand in the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// Who.
    pub name: String,
    /// Why, in a line.
    pub why: String,
}

/// How a letter is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// Its effect happened: this is the result, JSON.
    Done(Bytes),
    /// It is refused for good, with this error.
    Rejected(String),
    /// It did not happen: it is tried again.
    Retry,
}

/// What a redrive did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Letters whose events are on their way again.
    pub redriven: u64,
    /// Letters that somebody else changed at the same time, or that do not wait.
    pub left: u64,
    /// Letters that were redriven as often as they may.
    pub loops: u64,
}

/// An entry of the audit.
#[derive(Serialize)]
struct Audit<'a> {
    action: &'static str,
    letter: &'a str,
    scope: &'a str,
    event: Option<&'a str>,
    trace: Option<String>,
    was: &'static str,
    by: &'a Actor,
    time: String,
}

impl DeadLetters {
    /// Has letters handled again under their own ids: each once for each redrive, however many
    /// people do it at once. The rate is in letters a second; none: as fast as it goes.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError`]. Letters that were redriven before it stay so; go on by doing it again.
    ///
    /// # Cancel safety
    ///
    /// What was redriven stays so.
    pub async fn redrive(
        &self,
        scope: &str,
        which: Which,
        by: &Actor,
        rate: Option<f64>,
    ) -> Result<Redriven, DeadLetterError> {
        let letters = match which {
            Which::Id(id) => vec![self.wanted(scope, &id).await?],
            Which::Matching(filter) => self.matching(scope, &filter).await?,
        };
        let is_one = letters.len() == 1;
        let mut done = Redriven::default();
        let mut pace = rate
            .filter(|rate| *rate > 0.0)
            .and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok())
            .filter(|apart| !apart.is_zero())
            .map(tokio::time::interval);
        for letter in letters {
            if letter.state != LetterState::Parked {
                if is_one {
                    return Err(DeadLetterError::NotWaiting(letter.state));
                }
                done.left += 1;
                continue;
            }
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            match self.redrive_one(&letter, by).await {
                Ok(()) => done.redriven += 1,
                Err(DeadLetterError::Loop) if !is_one => done.loops += 1,
                Err(DeadLetterError::NotWaiting(_)) if !is_one => done.left += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Settles a letter that is held, or one that is given up.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError`].
    pub async fn resolve(
        &self,
        scope: &str,
        id: &str,
        resolve: Resolve,
        by: &Actor,
    ) -> Result<(), DeadLetterError> {
        let letter = self.wanted(scope, id).await?;
        let (event, key, held) = self.waiting(&letter).await?;
        let resolution = match resolve {
            Resolve::Done(result) => {
                let also = vec![self.audit("done", &letter, by)];
                Resolution::Done(Commit { also, ..Commit::new(result) })
            }
            Resolve::Rejected(error) => {
                let result = serde_json::json!({ "error": error }).to_string();
                let also = vec![self.audit("rejected", &letter, by)];
                Resolution::Rejected(Commit { also, ..Commit::new(result) })
            }
            Resolve::Retry => {
                let also = vec![self.audit("retry", &letter, by)];
                Resolution::Retry(self.again(event, &key, by, also)?)
            }
        };
        self.settle(&key, &held, resolution).await
    }

    async fn redrive_one(&self, letter: &Letter, by: &Actor) -> Result<(), DeadLetterError> {
        let (event, key, held) = self.waiting(letter).await?;
        if held.state != HeldAs::Parked {
            return Err(DeadLetterError::NotWaiting(LetterState::Held));
        }
        let (times, version) = self.redrives(&letter.id).await?;
        if times >= REDRIVES_MAX {
            return Err(DeadLetterError::Loop);
        }
        let expires = self.parts.clock.unix_time() + REDRIVES_KEPT;
        let counted = Operation::Update {
            key: redrives_key(&letter.id),
            edits: vec![
                Edit::Add { name: TIMES.to_owned(), amount: 1, from: 0 },
                Edit::Expires(Some(expires)),
            ],
            when: version.map_or(Condition::Absent, Condition::VersionIs),
        };
        let also = vec![counted, self.audit("redrive", letter, by)];
        let release = self.again(event, &key, by, also)?;
        self.settle(&key, &held, Resolution::Retry(release)).await
    }

    async fn wanted(&self, scope: &str, id: &str) -> Result<Letter, DeadLetterError> {
        let unknown = || DeadLetterError::Unknown { scope: scope.to_owned(), id: id.to_owned() };
        self.show(scope, id).await?.ok_or_else(unknown)
    }

    /// What a change needs of a letter that waits.
    async fn waiting<'a>(
        &self,
        letter: &'a Letter,
    ) -> Result<(&'a Event, RecordKey, Held), DeadLetterError> {
        let no_handler = || DeadLetterError::NoHandler { scope: letter.scope.clone() };
        let handler: &dyn Deliver = &*self.handler(&letter.scope).ok_or_else(no_handler)?.handler;
        let event = letter.event.as_ref();
        let event = event.ok_or(DeadLetterError::NotWaiting(LetterState::Gone))?;
        let key = handler.key(event);
        let held = self.parts.records.held(&key).await?;
        let held = held.ok_or(DeadLetterError::NotWaiting(letter.state))?;
        Ok((event, key, held))
    }

    /// The event's way into the delay queue of its handler, due at once.
    fn again(
        &self,
        event: &Event,
        key: &RecordKey,
        by: &Actor,
        also: Vec<Operation>,
    ) -> Result<Release, DeadLetterError> {
        let payload = Delivery::to_payload(event, 1)
            .map_err(|_| DeadLetterError::NotWaiting(LetterState::Gone))?;
        let delayed = Delayed { queue: key.scope(), id: key.item().key.clone(), payload };
        Ok(Release {
            due: self.parts.clock.unix_time(),
            error: format!("redriven by {}: {}", by.name, by.why),
            blame: Blame::Handler,
            delayed: Some(delayed),
            also,
        })
    }

    async fn settle(
        &self,
        key: &RecordKey,
        held: &Held,
        resolution: Resolution,
    ) -> Result<(), DeadLetterError> {
        match self.parts.records.resolve(key, held, resolution).await {
            Ok(_) => {}
            // Somebody else changed it at the same time.
            Err(CommitError::Fenced | CommitError::Refused { .. }) => {
                return Err(DeadLetterError::NotWaiting(LetterState::Redriving));
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(relay) = &self.parts.relay {
            relay.nudge();
        }
        Ok(())
    }

    fn audit(&self, action: &'static str, letter: &Letter, by: &Actor) -> Operation {
        let time = self.parts.clock.unix_time();
        let event = letter.event.as_ref();
        let audit = Audit {
            action,
            letter: &letter.id,
            scope: &letter.scope,
            event: event.map(|event| &*event.id),
            trace: event.map(|event| event.trace_id.to_string()),
            was: letter.state.as_str(),
            by,
            time: time.to_string(),
        };
        // It holds texts alone.
        let payload = serde_json::to_vec(&audit).expect("an audit entry is JSON").into();
        Operation::Append { topic: AUDIT_TOPIC.to_owned(), partition: 0, time, payload }
    }
}
