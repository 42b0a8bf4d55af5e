//! Idempotency keys that wait for a person: listed, looked at, resolved.
//!
//! Neither a payload nor a recorded answer nor a raw key is shown: a key has the name of its record.

use axum::{
    body::Bytes,
    extract::{self, Path, RawQuery},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use headgate_idempotency::{
    Blame, Commit, CommitError, HeldAs, Records, Release, Resolution, StoreError, Waiting, http,
};
use headgate_types::UnixTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{State, to_json},
    history::{NOTE_CHARS_MAX, note},
    problem::Problem,
};

/// Records that one step looks at, at most and unless said.
const LIMIT_MAX: usize = 1_024;
/// How scopes of routes begin: their outcomes are answers of HTTP.
const HTTP_SCOPE: &str = "http/";

/// A step of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldKeys {
    /// Keys that wait, in no order of time.
    pub keys: Vec<HeldKey>,
    /// What the next step comes after. None: this was the last one.
    pub next: Option<String>,
}

/// One key that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldKey {
    /// The record's name: its scope, `#`, and a hash of the key and of its caller.
    pub id: String,
    /// The scope: `http/TEAM/ROUTE` for a route's keys, a handler's own scope for its events'.
    pub scope: String,
    /// `in_doubt`: whether its effect happened is not known. `parked`: it was given up.
    pub state: String,
    /// Names this stand of the key; a resolution has to name the same.
    pub fence: u64,
    /// Attempts that were made.
    pub attempts: u64,
    /// Why it waits, in a line.
    pub error: String,
    /// The trace of the last attempt, to find it in access lines and logs by.
    pub trace_id: Option<String>,
    /// When the key was claimed first, about, RFC 3339.
    pub claimed_at: String,
    /// What is known of effects outside, by name.
    pub effects: Vec<HeldEffect>,
}

/// What is known of an effect outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldEffect {
    /// The name that the handler gave it.
    pub name: String,
    /// Whether it is known to be carried out. False: it was about to be.
    pub is_carried_out: bool,
}

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// The fence of the stand that was looked at.
    pub fence: u64,
    /// What became of it.
    #[serde(rename = "as")]
    pub resolution: ResolveAs,
    /// With `done`, for a route's key: the status that repetitions are answered, 200 to 499. None:
    /// 200.
    pub status: Option<u16>,
    /// With `done`: what repetitions are answered. For a route's key the body; none says that it
    /// was done and that its answer was not kept. For a handler's key its result, JSON; none is
    /// `null`.
    pub result: Option<String>,
    /// With `result`, for a route's key: the body's type. None: `application/json`.
    pub content_type: Option<String>,
    /// Who says so, for the log and the history.
    pub actor: Option<String>,
    /// Why, for the log and the history.
    pub reason: Option<String>,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResolveAs {
    /// It happened.
    Done,
    /// It did not happen: the next request or delivery with the key is carried out.
    NotDone,
}

impl ResolveAs {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotDone => "not_done",
        }
    }
}

/// A key that was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resolved {
    /// The record's name.
    pub id: String,
    /// What was said of it.
    #[serde(rename = "as")]
    pub resolution: ResolveAs,
}

pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let records = records(&state)?;
    let (after, limit) = step(query.as_deref().unwrap_or_default())?;
    let page = records.waiting(after.as_ref(), limit).await.map_err(|error| failed(&error))?;
    let next = page.next.map(|next| String::from_utf8_lossy(&next).into_owned());
    Ok(to_json(&HeldKeys { keys: page.keys.iter().map(shown).collect(), next }))
}

pub(crate) async fn show(
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(to_json(&shown(&find(records(&state)?, &id).await?)))
}

pub(crate) async fn resolve(
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let records = records(&state)?;
    // A page in a browser can't send this type elsewhere without asking first, and is told no.
    let is_json = |value: &HeaderValue| value.as_bytes().starts_with(b"application/json");
    if !headers.get(header::CONTENT_TYPE).is_some_and(is_json) {
        return Err(Problem::BadRequest("the content-type is not application/json"));
    }
    let asked: Resolve = serde_json::from_slice(&body)
        .map_err(|_| Problem::BadRequest("the body is no `Resolve` of the API's document"))?;
    let mut waiting = find(records, &id).await?;
    let resolution = resolution(&waiting, &asked, records.unix_time())?;
    // What the person has seen counts, and not what stands there by now.
    waiting.held.fence = asked.fence;
    match records.resolve(&waiting.key, &waiting.held, resolution).await {
        Ok(_committed) => {}
        Err(CommitError::Fenced) => return Err(Problem::KeyMoved),
        Err(CommitError::TooLarge { .. }) => {
            return Err(Problem::BadRequest("the result is more than the store keeps"));
        }
        Err(CommitError::Store(error)) => return Err(failed(&error)),
        Err(error) => {
            tracing::error!(%error, key = %id, "idempotency key not resolved");
            return Err(Problem::Internal);
        }
    }
    let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let (actor, reason) = (said(&asked.actor), said(&asked.reason));
    let (how, fence) = (asked.resolution.as_str(), asked.fence);
    // Above the usual level of the log, because who settled it must be found later.
    tracing::warn!(key = %id, fence, resolved_as = how, %actor, %reason, "idempotency key resolved");
    note(&state, "held_key", (id.clone(), how.to_owned()), (asked.actor, reason)).await;
    Ok(to_json(&Resolved { id, resolution: asked.resolution }))
}

fn records(state: &State) -> Result<&Records, Problem> {
    state.records.as_ref().ok_or(Problem::NoRecords)
}

async fn find(records: &Records, id: &str) -> Result<Waiting, Problem> {
    let found = records.waiting_as(id).await.map_err(|error| failed(&error))?;
    found.ok_or(Problem::NoSuchKey)
}

fn failed(error: &StoreError) -> Problem {
    match error {
        StoreError::Invalid(_) => Problem::BadRequest("`after` is no place that a list gave"),
        StoreError::Foreign(_) => Problem::NoSuchKey,
        error => {
            tracing::warn!(code = error.code(), %error, "idempotency keys can't be asked for");
            Problem::NoRecords
        }
    }
}

/// Where a step begins, and how many records it looks at.
fn step(query: &str) -> Result<(Option<Bytes>, usize), Problem> {
    let (mut after, mut limit) = (None, LIMIT_MAX);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("after", value)) => after = Some(unescaped(value)?),
            Some(("limit", value)) => {
                let number = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                limit = number.ok_or(Problem::BadRequest("`limit` is not within 1 to 1024"))?;
            }
            _ => return Err(Problem::BadRequest("a parameter is neither `limit` nor `after`")),
        }
    }
    Ok((after, limit))
}

/// A value of the query without its escapes.
fn unescaped(value: &str) -> Result<Bytes, Problem> {
    let malformed = Problem::BadRequest("an escape in the query is not complete");
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' {
            let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
            let (high, low) = digit().zip(digit()).ok_or(malformed)?;
            u8::try_from(high << 4 | low).map_err(|_| malformed)?
        } else {
            byte
        };
        bytes.push(byte);
    }
    Ok(bytes.into())
}

fn shown(waiting: &Waiting) -> HeldKey {
    let Waiting { key, held, trace, claimed_at, effects } = waiting;
    let effect = |(name, is_carried_out): &(String, bool)| HeldEffect {
        name: name.clone(),
        is_carried_out: *is_carried_out,
    };
    HeldKey {
        id: key.id(),
        scope: key.scope(),
        state: match held.state {
            HeldAs::InDoubt => "in_doubt",
            HeldAs::Parked => "parked",
        }
        .to_owned(),
        fence: held.fence,
        attempts: held.attempts,
        error: held.error.clone(),
        trace_id: trace.map(|trace| trace.to_string()),
        claimed_at: claimed_at.to_string(),
        effects: effects.iter().map(effect).collect(),
    }
}

/// What a person says, in the words of the records.
fn resolution(waiting: &Waiting, asked: &Resolve, now: UnixTime) -> Result<Resolution, Problem> {
    let notes = [&asked.actor, &asked.reason];
    if notes.into_iter().flatten().any(|note| note.chars().count() > NOTE_CHARS_MAX) {
        return Err(Problem::BadRequest("`actor` or `reason` has more than 500 characters"));
    }
    let is_http = waiting.key.scope().starts_with(HTTP_SCOPE);
    let describes = asked.status.is_some() || asked.content_type.is_some();
    match asked.resolution {
        ResolveAs::NotDone if describes || asked.result.is_some() => {
            Err(Problem::BadRequest("what was not done has no result"))
        }
        ResolveAs::NotDone => Ok(Resolution::Retry(Release {
            // A client's next try is the first one again; an event waits for its redelivery.
            due: if is_http { UnixTime::default() } else { now },
            error: "a person said that it was not done".to_owned(),
            blame: Blame::Dependency,
            delayed: None,
            also: Vec::new(),
        })),
        ResolveAs::Done if is_http => answer(asked).map(|answer| done(answer.encode())),
        ResolveAs::Done if describes => {
            Err(Problem::BadRequest("`status` and `content_type` are for keys of routes"))
        }
        ResolveAs::Done => {
            let result = asked.result.as_deref().unwrap_or("null");
            if serde_json::from_str::<serde::de::IgnoredAny>(result).is_err() {
                return Err(Problem::BadRequest("the result of a handler is JSON"));
            }
            Ok(done(Bytes::copy_from_slice(result.as_bytes())))
        }
    }
}

fn done(result: Bytes) -> Resolution {
    Resolution::Done(Commit::new(result))
}

/// What repetitions of a request are answered.
fn answer(asked: &Resolve) -> Result<http::Answer, Problem> {
    let status = asked.status.unwrap_or(200);
    let status = StatusCode::from_u16(status).ok().filter(|_| (200..500).contains(&status));
    let status = status.ok_or(Problem::BadRequest("`status` is not within 200 to 499"))?;
    let Some(body) = &asked.result else { return Ok(http::Answer::NotKept { status }) };
    let content_type = asked.content_type.as_deref().unwrap_or("application/json");
    let content_type = HeaderValue::from_str(content_type)
        .map_err(|_| Problem::BadRequest("`content_type` is no value of a header"))?;
    let headers = [(HeaderName::from_static("content-type"), content_type)].into_iter().collect();
    Ok(http::Answer::Kept { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) })
}

#[cfg(test)]
mod tests;
