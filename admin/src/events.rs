//! Events as operators look at them: topics, groups, entries, dead letters, and series as trees.
//!
//! Operators see the data of events here; the admin listener is theirs alone.

mod control;
mod entries;
mod letters;
mod series;

use std::{fmt, sync::Arc};

use axum::{extract, response::Response};
use headgate_events::{ConsumerHandle, DeadLetterError, LogError, Parts, Registered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    control::say as control_series, entries::list as entries, letters::*, series::show as series,
};
pub use self::{
    control::{SeriesStand, SeriesWish, SeriesWord},
    entries::{EventEntry, EventPage},
    letters::{
        DeadLetter, DeadLetterPage, Redrive, RedrivePlan, Redriven, ResolveLetter, ResolveLetterAs,
        ResolvedLetter,
    },
    series::{HandledStatus, Series, SeriesNode},
};
use crate::{
    api::{State, to_json},
    problem::Problem,
};

/// What the endpoints about events answer from.
#[derive(Clone)]
pub struct EventState {
    /// The log and what belongs to it.
    pub parts: Parts,
    /// The handlers that run in this process.
    pub handlers: Arc<dyn Fn() -> Vec<Running> + Send + Sync>,
}

/// A handler that runs.
#[derive(Clone)]
pub struct Running {
    /// Asks its consumer.
    pub handle: ConsumerHandle,
    /// The handler.
    pub registered: Registered,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("registered", &self.registered).finish_non_exhaustive()
    }
}

impl fmt::Debug for EventState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventState").field("parts", &self.parts).finish_non_exhaustive()
    }
}

/// The topics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Topics {
    /// The topics, by name. Those that begin with `hg.` are Headgate's own.
    pub topics: Vec<TopicStatus>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TopicStatus {
    /// Its name.
    pub name: String,
    /// Entries that are kept, over all partitions.
    pub entries: u64,
    /// How long an entry is kept, such as `7d`. None: for ever.
    pub retention: Option<String>,
    /// Where each partition begins and ends.
    pub partitions: Vec<PartitionBounds>,
}

/// Where a partition begins and ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartitionBounds {
    /// The first offset that is kept.
    pub first: u64,
    /// The offset of the next entry that comes.
    pub next: u64,
}

/// The groups of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Groups {
    /// The groups, by name. Each is a handler's.
    pub groups: Vec<GroupStatus>,
}

/// How a handler's group is doing in this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupStatus {
    /// Its name: the handler's scope, `TEAM.HANDLER`.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// The type of the events that it takes.
    #[serde(rename = "type")]
    pub kind: String,
    /// Entries that are not settled, over all partitions.
    pub lag: u64,
    /// Whether somebody paused it.
    pub paused: bool,
    /// What is down that the handler needs. None: nothing.
    pub down: Option<String>,
    /// Calls that may be at work at once.
    pub limit: u32,
    /// Calls at work.
    pub in_flight: u32,
    /// Keys whose events wait for one that is tried again, the first hundred.
    pub blocked_keys: Vec<String>,
}

pub(crate) async fn topics(
    extract::State(state): extract::State<State>,
) -> Result<Response, Problem> {
    let EventState { parts, .. } = events(&state)?;
    let mut topics = Vec::new();
    for name in parts.log.topics().await.map_err(|error| failed(&error))? {
        let bounds = parts.log.bounds(&name).await.map_err(|error| failed(&error))?;
        let partitions: Vec<_> = bounds
            .unwrap_or_default()
            .iter()
            .map(|bounds| PartitionBounds { first: bounds.first, next: bounds.next })
            .collect();
        let entries = partitions.iter().map(|it| it.next.saturating_sub(it.first)).sum();
        let retention = parts.topics.get(&name).retention.age;
        let retention = retention.map(headgate_types::format_duration);
        topics.push(TopicStatus { name, entries, retention, partitions });
    }
    Ok(to_json(&Topics { topics }))
}

pub(crate) async fn groups(
    extract::State(state): extract::State<State>,
) -> Result<Response, Problem> {
    let mut groups = Vec::new();
    for running in (events(&state)?.handlers)() {
        let Some(status) = running.handle.status().await else { continue };
        groups.push(GroupStatus {
            name: status.scope,
            topic: status.topic,
            kind: status.kind,
            lag: status.partitions.iter().map(|it| it.lag).sum(),
            paused: status.is_paused,
            down: status.down,
            limit: status.limit,
            in_flight: status.in_flight,
            blocked_keys: status.blocked_keys,
        });
    }
    Ok(to_json(&Groups { groups }))
}

/// What the endpoints answer from.
fn events(state: &State) -> Result<&EventState, Problem> {
    state.events.as_ref().ok_or(Problem::NoEvents)
}

fn failed(error: &LogError) -> Problem {
    tracing::warn!(%error, code = error.code(), "log can't be asked");
    Problem::NoEvents
}

fn letter_failed(error: &DeadLetterError) -> Problem {
    tracing::debug!(%error, code = error.code(), "dead letter not changed");
    match error {
        DeadLetterError::Unknown { .. } => Problem::NoSuchEvent,
        DeadLetterError::NoHandler { .. } => Problem::LetterStands("no such handler runs here"),
        DeadLetterError::Loop => {
            Problem::LetterStands("it was redriven as often as it may be, and failed each time")
        }
        DeadLetterError::NotWaiting(state) => Problem::LetterStands(state.as_str()),
        _ => Problem::NoEvents,
    }
}

/// The pairs of a query, decoded.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), decoded(value)?))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(pair);
    pairs.collect::<Option<_>>().ok_or(Problem::BadQuery)
}

/// Percent-decoding, with a plus as it is.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        };
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests;
