//! Dead letters: what was given up or is held, and how people bring it back or settle it.
//!
//! A letter stands in its scope's topic and says what happened; how its event stands is told by the
//! event's record. To redrive is a compare-and-set of that record, so that of two people, or of one
//! who tries twice, one does it. Each change carries its audit entry in the same commit.

mod change;
mod error;
mod filter;

use std::collections::{BTreeMap, HashSet};

use headgate_idempotency::{DEAD_LETTERS, HeldAs, Settlement, letter_id};
use headgate_store::Key;
use headgate_types::{Event, UnixTime};

pub use self::{
    change::{Actor, REDRIVES_MAX, Redriven, Resolve},
    error::DeadLetterError,
    filter::{Filter, Which},
};
use crate::{Entry, Parts, Raw, Registered, letter::Written};

/// The space of how often letters were redriven.
const REDRIVES: &str = "hg.redrives";
/// How often, in an item of it.
const TIMES: &str = "times";
/// Entries that are read at once.
const ROWS: usize = 256;
/// Letters that one look goes through at most.
const LOOKED_MAX: usize = 100_000;

/// The dead letters of some handlers. Clones share what they work with.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    parts: Parts,
    handlers: std::sync::Arc<[Registered]>,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its name: one for each event of a scope.
    pub id: String,
    /// Its place in the topic. An event that is given up again has another one there.
    pub offset: u64,
    /// The handler.
    pub scope: String,
    /// Why it was given up, in a word.
    pub reason: String,
    /// Why, in a line.
    pub error: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// When.
    pub time: UnixTime,
    /// How its event stands.
    pub state: LetterState,
    /// How often it was redriven.
    pub redrives: u32,
    /// The event. None: it is none.
    pub event: Option<Event>,
    /// The bytes of what is no event.
    pub raw: Option<Raw>,
}

/// How a letter's event stands with its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LetterState {
    /// It is given up, and can be redriven.
    Parked,
    /// Whether its effect happened is not known, and it can be resolved.
    Held,
    /// It was redriven, and has not ended.
    Redriving,
    /// It was done.
    Done,
    /// It was refused for good.
    Rejected,
    /// It is only told of: its record is gone or another event's, it is no event, or there is no
    /// such handler.
    Gone,
}

impl LetterState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Held => "held",
            Self::Redriving => "redriving",
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::Gone => "gone",
        }
    }
}

/// Some letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterPage {
    /// The letters, the oldest first.
    pub letters: Vec<Letter>,
    /// Where to go on. None: there are no more.
    pub next: Option<u64>,
}

/// What a redrive would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Letters that would be redriven.
    pub redriven: u64,
    /// Why they were given up, and how many of them.
    pub reasons: BTreeMap<String, u64>,
    /// Letters that would not be, by how they stand; `loops` are those that were redriven as often
    /// as they may.
    pub left: BTreeMap<&'static str, u64>,
}

impl DeadLetters {
    /// The dead letters of these handlers. When handlers change, make another one.
    pub fn new(parts: Parts, handlers: Vec<Registered>) -> Self {
        Self { parts, handlers: handlers.into() }
    }

    /// Letters from a place on that match, the oldest first. Looks through at most a hundred times
    /// as many.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError::Log`] and [`DeadLetterError::Store`].
    pub async fn list(
        &self,
        scope: &str,
        filter: &Filter,
        from: Option<u64>,
        rows: usize,
    ) -> Result<LetterPage, DeadLetterError> {
        let mut page = LetterPage { letters: Vec::new(), next: Some(from.unwrap_or_default()) };
        let mut looked = 0;
        while let Some(next) = page.next.filter(|_| looked < LOOKED_MAX) {
            let entries = self.entries(scope, next).await?;
            page.next = entries.last().map(|entry| entry.offset + 1);
            for entry in entries {
                looked += 1;
                let Some(letter) = read(scope, &entry).filter(|it| filter.matches(it)) else {
                    continue;
                };
                page.letters.push(self.with_state(letter).await?);
                if page.letters.len() >= rows {
                    page.next = Some(entry.offset + 1);
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    /// The last letter of this name. None: there is none.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError::Log`] and [`DeadLetterError::Store`].
    pub async fn show(&self, scope: &str, id: &str) -> Result<Option<Letter>, DeadLetterError> {
        let mut found = None;
        let mut next = Some(0);
        while let Some(from) = next {
            let entries = self.entries(scope, from).await?;
            next = entries.last().map(|entry| entry.offset + 1);
            let letters = entries.iter().filter_map(|entry| read(scope, entry));
            found = letters.filter(|letter| letter.id == id).last().or(found);
        }
        match found {
            Some(letter) => self.with_state(letter).await.map(Some),
            None => Ok(None),
        }
    }

    /// What a redrive of all letters that match would do.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError::Log`] and [`DeadLetterError::Store`].
    pub async fn plan(&self, scope: &str, filter: &Filter) -> Result<Plan, DeadLetterError> {
        let mut plan = Plan::default();
        for letter in self.matching(scope, filter).await? {
            if letter.state != LetterState::Parked {
                *plan.left.entry(letter.state.as_str()).or_default() += 1;
            } else if letter.redrives >= REDRIVES_MAX {
                *plan.left.entry("loops").or_default() += 1;
            } else {
                plan.redriven += 1;
                *plan.reasons.entry(letter.reason).or_default() += 1;
            }
        }
        Ok(plan)
    }

    /// All letters that match, each once as it stands by now.
    async fn matching(&self, scope: &str, filter: &Filter) -> Result<Vec<Letter>, DeadLetterError> {
        let page = self.list(scope, filter, None, LOOKED_MAX).await?;
        let mut seen = HashSet::new();
        let mut letters: Vec<_> =
            page.letters.into_iter().rev().filter(|it| seen.insert(it.id.clone())).collect();
        letters.reverse();
        Ok(letters)
    }

    async fn entries(&self, scope: &str, from: u64) -> Result<Vec<Entry>, DeadLetterError> {
        let topic = format!("{DEAD_LETTERS}{scope}");
        Ok(self.parts.log.read(&topic, 0, from, ROWS).await?)
    }

    fn handler(&self, scope: &str) -> Option<&Registered> {
        self.handlers.iter().find(|it| &*it.handler.terms().scope == scope)
    }

    async fn with_state(&self, letter: Letter) -> Result<Letter, DeadLetterError> {
        let (Some(event), Some(it)) = (&letter.event, self.handler(&letter.scope)) else {
            return Ok(letter);
        };
        let redrives = self.redrives(&letter.id).await?.0;
        let state = match it.handler.standing(event).await? {
            Some(Settlement::Waiting(held)) if held.state == HeldAs::InDoubt => LetterState::Held,
            Some(Settlement::Waiting(_)) => LetterState::Parked,
            Some(Settlement::Replayed { rejected, .. }) => {
                if rejected {
                    LetterState::Rejected
                } else {
                    LetterState::Done
                }
            }
            None if redrives > 0 => LetterState::Redriving,
            _ => LetterState::Gone,
        };
        Ok(Letter { state, redrives, ..letter })
    }

    /// How often a letter was redriven, and the version of the item that tells.
    async fn redrives(&self, id: &str) -> Result<(u32, Option<u64>), DeadLetterError> {
        let item = self.parts.records.store().get(&redrives_key(id)).await?;
        let times = item.as_ref().and_then(|item| match item.content.attributes.get(TIMES) {
            Some(headgate_store::Scalar::Number(times)) => u32::try_from(*times).ok(),
            _ => None,
        });
        Ok((times.unwrap_or_default(), item.map(|item| item.version)))
    }
}

fn redrives_key(id: &str) -> Key {
    Key::new(REDRIVES, id.to_owned())
}

/// A letter as it stands in its topic. None: it is not readable.
fn read(scope: &str, entry: &Entry) -> Option<Letter> {
    let written: Written = serde_json::from_slice(&entry.value).ok()?;
    let event = written.event();
    let named = headgate_idempotency::Scope::new(scope).ok()?;
    let id = match (&event, &written.raw) {
        (Some(event), _) => letter_id(event, &named),
        (None, Some(raw)) => raw.id(),
        (None, None) => return None,
    };
    Some(Letter {
        id,
        offset: entry.offset,
        scope: scope.to_owned(),
        reason: written.reason,
        error: written.error,
        attempts: written.attempts,
        time: written.time.parse().unwrap_or(entry.time),
        state: LetterState::Gone,
        redrives: 0,
        event,
        raw: written.raw,
    })
}
