//! A series as a tree: what began it, what handled it, what followed.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{self, Path},
    response::Response,
};
use headgate_events::{EXCHANGE_TOPIC, Entry, Parts, TIMELINE_TOPIC};
use headgate_idempotency::{HeldAs, Scope, letter_id};
use headgate_types::{Event, TraceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventState, control::SeriesStand, entries::newest, events};
use crate::{
    api::{State, to_json},
    problem::Problem,
};

/// Entries that are looked through for one series at most, the newest first.
const SEARCHED_MAX: usize = 200_000;
/// How topics of dead letters begin: what stands there is no event of its own.
const DEAD_LETTERS: &str = "hg.dlq.";

/// A series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Its trace.
    pub trace_id: String,
    /// What began it. Several only where a trusted peer sent one trace with several requests.
    pub events: Vec<SeriesNode>,
    /// Whether older entries were not looked at, so that something may be missing.
    pub is_cut: bool,
    /// Milliseconds from its first event to its last one.
    pub duration_ms: u64,
    /// What operators have said of it.
    pub control: SeriesStand,
}

/// An event of a series, with what followed from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesNode {
    /// The event's id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who made it.
    pub source: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Its place there.
    pub offset: u64,
    /// Its partition key.
    pub key: String,
    /// When it happened, RFC 3339.
    pub time: String,
    /// Milliseconds since the series began.
    pub after_ms: u64,
    /// Milliseconds from here to the last event that followed. 0: none did.
    pub lasts_ms: u64,
    /// Whether the series would have ended earlier without what came before it on this path.
    pub is_critical: bool,
    /// Its handlers, by name.
    pub handlers: Vec<HandledStatus>,
    /// What followed from it, in the order of the steps.
    pub followed: Vec<Self>,
}

/// How an event stands with a handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandledStatus {
    /// The handler's scope, `TEAM.HANDLER`.
    pub group: String,
    /// `done`, `rejected`, `cancelled`, `parked`, `held` or `pending`.
    pub state: String,
    /// Attempts that were made; those that are still counted elsewhere are not among them.
    pub attempts: Option<u64>,
    /// Why it failed or was refused. None: it did not.
    pub error: Option<String>,
    /// The name of its dead letter, where it is one.
    pub dead_letter: Option<String>,
}

pub(crate) async fn show(
    extract::State(state): extract::State<State>,
    Path(trace): Path<String>,
) -> Result<Response, Problem> {
    let events = events(&state)?;
    let trace = trace.parse().map_err(|_| Problem::NoSuchEvent)?;
    let mut left = SEARCHED_MAX;
    let found = find(&events.parts, trace, &mut left).await?;
    if found.is_empty() {
        return Err(Problem::NoSuchEvent);
    }
    let mut tree = tree(events, &found).await?;
    mark_critical(&mut tree);
    let ends = tree.iter().map(|node| node.after_ms + node.lasts_ms);
    let duration_ms = ends.max().unwrap_or_default();
    let control = events.parts.series.as_ref().and_then(|series| series.of(trace));
    let control = SeriesStand::of(control);
    let trace_id = trace.to_string();
    Ok(to_json(&Series { trace_id, events: tree, is_cut: left == 0, duration_ms, control }))
}

/// Whether any event of a series can be found.
pub(super) async fn is_there(parts: &Parts, trace: TraceId) -> Result<bool, Problem> {
    let mut left = SEARCHED_MAX;
    Ok(!find(parts, trace, &mut left).await?.is_empty())
}

/// Marks the events from the root to the one that came last.
fn mark_critical(nodes: &mut [SeriesNode]) {
    let last = nodes.iter_mut().max_by_key(|node| node.after_ms + node.lasts_ms);
    let Some(last) = last else { return };
    last.is_critical = true;
    mark_critical(&mut last.followed);
}

/// An event of a series, and where it stands.
struct Found {
    topic: String,
    entry: Entry,
    event: Event,
}

async fn find(parts: &Parts, trace: TraceId, left: &mut usize) -> Result<Vec<Found>, Problem> {
    let topics = parts.log.topics().await.map_err(|error| super::failed(&error))?;
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    // Exchanges and timelines are many, and are no part of what followed: `why` and `history` tell
    // them.
    let is_looked_through = |topic: &String| {
        let is_told_elsewhere = *topic == *EXCHANGE_TOPIC || topic.starts_with(TIMELINE_TOPIC);
        !topic.starts_with(DEAD_LETTERS) && !is_told_elsewhere
    };
    for topic in topics.into_iter().filter(is_looked_through) {
        let of_series = |entry: &Entry| entry.event().is_ok_and(|event| event.trace_id == trace);
        for entry in newest(parts, &topic, left, of_series).await? {
            let Ok(event) = entry.event() else { continue };
            // An event that was appended twice is one event.
            if seen.insert((event.source.clone(), event.id.clone())) {
                found.push(Found { topic: topic.clone(), entry, event });
            }
        }
    }
    found.sort_by_key(|one| (one.event.time, one.event.step.to_string()));
    Ok(found)
}

async fn tree(state: &EventState, found: &[Found]) -> Result<Vec<SeriesNode>, Problem> {
    let began = found.first().map(|one| one.event.time).unwrap_or_default();
    let ids: BTreeSet<&str> = found.iter().map(|one| &*one.event.id).collect();
    let mut below: BTreeMap<String, Vec<SeriesNode>> = BTreeMap::new();
    let mut roots = Vec::new();
    // What followed came later, so from the end each event finds what hangs on it complete.
    let mut ordered: Vec<_> = found.iter().collect();
    ordered.sort_by_key(|one| std::cmp::Reverse(one.event.step.depth()));
    for one in ordered {
        let event = &one.event;
        let mut followed = below.remove(&*event.id).unwrap_or_default();
        followed.sort_by_key(by_time);
        let after_ms = u64::try_from(event.time.since(began).as_millis()).unwrap_or(u64::MAX);
        let ends = followed.iter().map(|node| node.after_ms + node.lasts_ms);
        let lasts_ms = ends.max().unwrap_or_default().saturating_sub(after_ms);
        let node = SeriesNode {
            id: event.id.to_string(),
            kind: event.kind.to_string(),
            source: event.source.to_string(),
            topic: one.topic.clone(),
            partition: one.entry.partition,
            offset: one.entry.offset,
            key: event.partition_key.to_string(),
            time: event.time.to_string(),
            after_ms,
            lasts_ms,
            is_critical: false,
            handlers: handled(state, one).await?,
            followed,
        };
        match event.causation_id.as_deref().filter(|cause| ids.contains(cause)) {
            Some(cause) => below.entry(cause.to_owned()).or_default().push(node),
            None => roots.push(node),
        }
    }
    roots.sort_by_key(by_time);
    Ok(roots)
}

fn by_time(node: &SeriesNode) -> (String, String, u64) {
    (node.time.clone(), node.topic.clone(), node.offset)
}

/// Whether a refusal is that of a cancelled series.
fn is_cancelled(result: &[u8]) -> bool {
    let result = serde_json::from_slice::<serde_json::Value>(result).unwrap_or_default();
    result.get("cancelled") == Some(&true.into())
}

/// How an event stands with each of its handlers.
async fn handled(state: &EventState, one: &Found) -> Result<Vec<HandledStatus>, Problem> {
    let mut all = Vec::new();
    for running in (state.handlers)() {
        let handler = &running.registered.handler;
        let terms = handler.terms();
        if *terms.topic != *one.topic || terms.kind != one.event.kind {
            continue;
        }
        let key = handler.key(&one.event);
        let unread = |error: headgate_idempotency::StoreError| {
            tracing::warn!(%error, "record can't be read");
            Problem::NoEvents
        };
        let records = &state.parts.records;
        let mut status = HandledStatus {
            group: terms.scope.to_string(),
            state: "pending".to_owned(),
            attempts: None,
            error: None,
            dead_letter: None,
        };
        if let Some(recorded) = records.outcome(&key).await.map_err(unread)? {
            let word = match recorded.rejected {
                true if is_cancelled(&recorded.result) => "cancelled",
                true => "rejected",
                false => "done",
            };
            word.clone_into(&mut status.state);
            status.attempts = Some(recorded.attempts);
            status.error =
                recorded.rejected.then(|| String::from_utf8_lossy(&recorded.result).into_owned());
        } else if let Some(held) = records.held(&key).await.map_err(unread)? {
            let word = if held.state == HeldAs::Parked { "parked" } else { "held" };
            word.clone_into(&mut status.state);
            status.attempts = Some(held.attempts);
            status.error = Some(held.error);
            let scope = Scope::new(&terms.scope).ok();
            status.dead_letter = scope.map(|scope| letter_id(&one.event, &scope));
        }
        all.push(status);
    }
    all.sort_by(|one, other| one.group.cmp(&other.group));
    Ok(all)
}
