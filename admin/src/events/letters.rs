//! Dead letters: listed, looked at, redriven, resolved.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    extract::{self, Path, RawQuery},
    response::Response,
};
use headgate_events::{Actor, DeadLetters, Filter, Letter, Resolve, Which};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{events, letter_failed, pairs};
use crate::{
    api::{State, to_json},
    history::{NOTE_CHARS_MAX, note},
    problem::Problem,
};

/// Letters of a page at most, and unless said.
const LIMIT_MAX: usize = 256;
/// What entries of the history about dead letters are.
const KIND: &str = "dead_letter";

/// Some dead letters of a handler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterPage {
    /// The letters, the oldest first.
    pub letters: Vec<DeadLetter>,
    /// Where the next page begins: give it as `after`. None: this was the last one.
    pub next: Option<u64>,
}

/// An event that was given up, or is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Its name.
    pub id: String,
    /// The handler's scope, `TEAM.HANDLER`.
    pub group: String,
    /// `parked`, `held`, `redriving`, `done`, `rejected`, or `gone`: it is only told of.
    pub state: String,
    /// Why it was given up, in a word, such as `attempts`.
    pub reason: String,
    /// Why, in a line.
    pub error: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// When it was given up, RFC 3339.
    pub time: String,
    /// How often it was redriven.
    pub redrives: u32,
    /// The trace of its series. None: it is no event.
    pub trace_id: Option<String>,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The event's partition key.
    pub key: Option<String>,
    /// The event in the structured mode of CloudEvents, or the entry that is no event. Not in
    /// lists.
    pub event: Option<Value>,
}

/// A wish to have letters handled again: the one of an id, or all that match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Redrive {
    /// One letter, by its name.
    pub id: Option<String>,
    /// Only those with this reason.
    pub reason: Option<String>,
    /// Only events of this type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Only events of this key.
    pub key: Option<String>,
    /// Only tell what would be done.
    pub dry_run: bool,
    /// Letters a second. None: as fast as it goes.
    pub rate: Option<f64>,
    /// Who wants it, for the audit.
    pub actor: String,
    /// Why, for the audit.
    pub why: String,
}

/// What a redrive would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RedrivePlan {
    /// Letters that would be handled again.
    pub redriven: u64,
    /// Why they were given up, and how many of them.
    pub reasons: BTreeMap<String, u64>,
    /// Letters that would not, by how they stand; `loops` were redriven as often as they may be.
    pub left: BTreeMap<String, u64>,
}

/// What a redrive did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redriven {
    /// Letters that are on their way again.
    pub redriven: u64,
    /// Letters that do not wait, or that somebody else changed.
    pub left: u64,
    /// Letters that were redriven as often as they may be.
    pub loops: u64,
}

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveLetter {
    /// What became of it.
    #[serde(rename = "as")]
    pub resolution: ResolveLetterAs,
    /// With `done`: the result. None: null.
    #[serde(default)]
    pub result: Option<Value>,
    /// With `rejected`: why.
    #[serde(default)]
    pub error: Option<String>,
    /// Who says so, for the audit.
    pub actor: String,
    /// Why, for the audit.
    #[serde(default)]
    pub why: String,
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResolveLetterAs {
    /// Its effect happened.
    Done,
    /// It is refused for good.
    Rejected,
    /// It did not happen: it is handled again.
    Retry,
}

/// A letter that was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResolvedLetter {
    /// Its name.
    pub id: String,
    /// What was said of it.
    #[serde(rename = "as")]
    pub resolution: ResolveLetterAs,
}

pub(crate) async fn dead_letters(
    extract::State(state): extract::State<State>,
    Path(group): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut filter, mut after, mut limit) = (Filter::default(), None, LIMIT_MAX);
    for (name, value) in pairs(query.as_deref().unwrap_or_default())? {
        match name.as_str() {
            "reason" => filter.reason = Some(value),
            "type" => filter.kind = Some(value),
            "key" => filter.key = Some(value),
            "after" => after = Some(value.parse().map_err(|_| Problem::BadQuery)?),
            "limit" => limit = value.parse().map_err(|_| Problem::BadQuery)?,
            _ => return Err(Problem::BadQuery),
        }
    }
    let limit = limit.clamp(1, LIMIT_MAX);
    let page = letters(&state)?.list(&group, &filter, after, limit).await;
    let page = page.map_err(|error| letter_failed(&error))?;
    let letters = page.letters.iter().map(|letter| shown(letter, false)).collect();
    Ok(to_json(&DeadLetterPage { letters, next: page.next }))
}

pub(crate) async fn dead_letter(
    extract::State(state): extract::State<State>,
    Path((group, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let letter = letters(&state)?.show(&group, &id).await.map_err(|error| letter_failed(&error))?;
    let letter = letter.ok_or(Problem::NoSuchEvent)?;
    Ok(to_json(&shown(&letter, true)))
}

pub(crate) async fn redrive(
    extract::State(state): extract::State<State>,
    Path(group): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let wish: Redrive = read(&body)?;
    let letters = letters(&state)?;
    let Redrive { id, reason, kind, key, .. } = wish.clone();
    let filter = Filter { reason, kind, key, ..Filter::default() };
    if wish.dry_run {
        let plan = letters.plan(&group, &filter).await.map_err(|error| letter_failed(&error))?;
        let left = plan.left.into_iter().map(|(word, count)| (word.to_owned(), count)).collect();
        let plan = RedrivePlan { redriven: plan.redriven, reasons: plan.reasons, left };
        return Ok(to_json(&plan));
    }
    let one = id.clone();
    let which = id.map_or(Which::Matching(filter), Which::Id);
    let by = actor(&wish.actor, &wish.why)?;
    let done = letters
        .redrive(&group, which, &by, wish.rate)
        .await
        .map_err(|error| letter_failed(&error))?;
    let (redriven, left, loops) = (done.redriven, done.left, done.loops);
    tracing::info!(%group, actor = %by.name, redriven, left, loops, "dead letters redriven");
    let what = one.map_or_else(|| group.clone(), |id| format!("{id} of {group}"));
    let to = format!("{redriven} redriven, {left} left, {loops} in a loop");
    note(&state, KIND, (what, to), (Some(by.name), by.why)).await;
    Ok(to_json(&Redriven { redriven, left, loops }))
}

pub(crate) async fn resolve_letter(
    extract::State(state): extract::State<State>,
    Path((group, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Problem> {
    let said: ResolveLetter = read(&body)?;
    let by = actor(&said.actor, &said.why)?;
    let resolve = match said.resolution {
        ResolveLetterAs::Done => {
            Resolve::Done(said.result.unwrap_or_default().to_string().into_bytes().into())
        }
        ResolveLetterAs::Rejected => {
            Resolve::Rejected(said.error.unwrap_or_else(|| "refused by a person".to_owned()))
        }
        ResolveLetterAs::Retry => Resolve::Retry,
    };
    letters(&state)?
        .resolve(&group, &id, resolve, &by)
        .await
        .map_err(|error| letter_failed(&error))?;
    tracing::info!(%group, %id, actor = %by.name, "dead letter resolved");
    let to = match said.resolution {
        ResolveLetterAs::Done => "done",
        ResolveLetterAs::Rejected => "rejected",
        ResolveLetterAs::Retry => "handled again",
    };
    let what = (format!("{id} of {group}"), to.to_owned());
    note(&state, KIND, what, (Some(by.name), by.why)).await;
    Ok(to_json(&ResolvedLetter { id, resolution: said.resolution }))
}

pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|_| Problem::BadBody)
}

pub(super) fn actor(name: &str, why: &str) -> Result<Actor, Problem> {
    let is_short = |text: &str| text.chars().count() <= NOTE_CHARS_MAX;
    if name.is_empty() || !is_short(name) || !is_short(why) {
        return Err(Problem::BadRequest("name who wants it, in at most 500 characters"));
    }
    Ok(Actor { name: name.to_owned(), why: why.to_owned() })
}

/// The letters of the handlers that run.
fn letters(state: &State) -> Result<DeadLetters, Problem> {
    let events = events(state)?;
    let handlers = (events.handlers)().into_iter().map(|it| it.registered).collect();
    Ok(DeadLetters::new(events.parts.clone(), handlers))
}

fn shown(letter: &Letter, is_whole: bool) -> DeadLetter {
    let event = letter.event.as_ref();
    let whole = is_whole.then(|| match event.and_then(|event| event.encode().ok()) {
        Some(json) => serde_json::from_slice(&json).unwrap_or_default(),
        None => json!(letter.raw),
    });
    DeadLetter {
        id: letter.id.clone(),
        group: letter.scope.clone(),
        state: letter.state.as_str().to_owned(),
        reason: letter.reason.clone(),
        error: letter.error.clone(),
        attempts: letter.attempts,
        time: letter.time.to_string(),
        redrives: letter.redrives,
        trace_id: event.map(|event| event.trace_id.to_string()),
        kind: event.map(|event| event.kind.to_string()),
        key: event.map(|event| event.partition_key.to_string()),
        event: whole,
    }
}
