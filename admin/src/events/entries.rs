//! The entries of a topic, page by page.

use std::collections::BTreeMap;

use axum::{extract, response::Response};
use headgate_events::{Bounds, EXCHANGE_TOPIC, Entry, Parts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{events, failed, pairs};
use crate::{
    api::{State, to_json},
    problem::Problem,
};

/// Entries of a page at most.
const LIMIT_MAX: usize = 256;
/// Entries of a page unless said.
const LIMIT: usize = 20;
/// Entries that a search for one event looks through at most.
const SEARCHED_MAX: usize = 100_000;

/// Some entries of a topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventPage {
    /// The entries, those of a partition in their order.
    pub events: Vec<EventEntry>,
    /// Where the next page begins: give it as `after`.
    pub next: String,
}

/// An entry of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventEntry {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Its place there.
    pub offset: u64,
    /// When it was appended, RFC 3339.
    pub time: String,
    /// The event in the structured mode of CloudEvents; anything else as it stands there.
    pub event: Value,
}

/// What a query asks for.
#[derive(Debug, Default)]
struct Ask {
    topic: Option<String>,
    id: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    extract::RawQuery(query): extract::RawQuery,
) -> Result<Response, Problem> {
    let parts = &events(&state)?.parts;
    let mut ask = Ask::default();
    for (name, value) in pairs(query.as_deref().unwrap_or_default())? {
        match name.as_str() {
            "topic" => ask.topic = Some(value),
            "id" => ask.id = Some(value),
            "after" => ask.after = Some(value),
            "limit" => ask.limit = Some(value.parse().map_err(|_| Problem::BadQuery)?),
            _ => return Err(Problem::BadQuery),
        }
    }
    let limit = ask.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    if let Some(id) = &ask.id {
        return Ok(to_json(&find(parts, ask.topic.as_deref(), id).await?));
    }
    let topic = ask.topic.ok_or(Problem::BadQuery)?;
    let bounds = bounds(parts, &topic).await?.ok_or(Problem::NoSuchEvent)?;
    let from = match &ask.after {
        Some(after) => positions(after).ok_or(Problem::BadQuery)?,
        // The last ones: as many of each partition, of which the newest are shown.
        None => BTreeMap::new(),
    };
    let mut entries = Vec::new();
    for (partition, bounds) in (0_u32..).zip(&bounds) {
        let rows = u64::try_from(limit).unwrap_or(u64::MAX);
        let latest = bounds.next.saturating_sub(rows);
        let start = match &ask.after {
            Some(_) => from.get(&partition).copied().unwrap_or_default(),
            None => latest,
        };
        let read = parts.log.read(&topic, partition, start.max(bounds.first), limit).await;
        entries.extend(read.map_err(|error| failed(&error))?);
    }
    entries.sort_by_key(|entry| (entry.time, entry.partition, entry.offset));
    let page = match ask.after {
        Some(_) => {
            entries.truncate(limit);
            entries
        }
        None => entries.split_off(entries.len().saturating_sub(limit)),
    };
    // Without a place to begin, the next page begins at the end.
    let ends = (0_u32..).zip(&bounds).map(|(partition, bounds)| (partition, bounds.next));
    let mut next: BTreeMap<_, _> = if ask.after.is_some() { from } else { ends.collect() };
    for entry in &page {
        let place = next.entry(entry.partition).or_default();
        *place = (*place).max(entry.offset + 1);
    }
    let next: Vec<_> = next.iter().map(|(at, offset)| format!("{at}:{offset}")).collect();
    let events = page.iter().map(|entry| shown(&topic, entry)).collect();
    Ok(to_json(&EventPage { events, next: next.join(",") }))
}

/// The entry with an event's id, the newest one.
async fn find(parts: &Parts, topic: Option<&str>, id: &str) -> Result<EventEntry, Problem> {
    let topics = if let Some(topic) = topic {
        vec![topic.to_owned()]
    } else {
        // Exchanges are many, and hardly ever what is meant.
        let mut topics = parts.log.topics().await.map_err(|error| failed(&error))?;
        topics.sort_by_key(|topic| *topic == *EXCHANGE_TOPIC);
        topics
    };
    let mut left = SEARCHED_MAX;
    for topic in topics {
        let has_id = |entry: &Entry| entry.event().is_ok_and(|event| *event.id == *id);
        if let Some(entry) = newest(parts, &topic, &mut left, has_id).await?.pop() {
            return Ok(shown(&topic, &entry));
        }
    }
    Err(Problem::NoSuchEvent)
}

/// Entries of a topic that are wanted, from each partition's end backward, as long as there may be
/// looked at more.
pub(super) async fn newest(
    parts: &Parts,
    topic: &str,
    left: &mut usize,
    is_wanted: impl Fn(&Entry) -> bool,
) -> Result<Vec<Entry>, Problem> {
    let mut found = Vec::new();
    let bounds = bounds(parts, topic).await?.unwrap_or_default();
    for (partition, bounds) in (0_u32..).zip(&bounds) {
        let mut end = bounds.next;
        while end > bounds.first && *left > 0 {
            let rows = usize::try_from(end - bounds.first).unwrap_or(usize::MAX).min(LIMIT_MAX);
            let start = end - u64::try_from(rows).unwrap_or(u64::MAX);
            let read = parts.log.read(topic, partition, start, rows).await;
            let mut read = read.map_err(|error| failed(&error))?;
            read.retain(|entry| entry.offset < end && is_wanted(entry));
            *left = left.saturating_sub(rows);
            found.extend(read);
            end = start;
        }
    }
    found.sort_by_key(|entry| (entry.time, entry.partition, entry.offset));
    Ok(found)
}

async fn bounds(parts: &Parts, topic: &str) -> Result<Option<Vec<Bounds>>, Problem> {
    parts.log.bounds(topic).await.map_err(|error| failed(&error))
}

/// Reads `0:7,1:2`.
fn positions(after: &str) -> Option<BTreeMap<u32, u64>> {
    let place = |place: &str| {
        let (partition, offset) = place.split_once(':')?;
        Some((partition.parse().ok()?, offset.parse().ok()?))
    };
    after.split(',').map(place).collect()
}

pub(super) fn shown(topic: &str, entry: &Entry) -> EventEntry {
    let structured = entry.event().ok().and_then(|event| event.encode().ok());
    let bytes = structured.as_ref().unwrap_or(&entry.value);
    let event = match serde_json::from_slice::<&RawValue>(bytes) {
        Ok(json) => serde_json::from_str(json.get()).unwrap_or_default(),
        Err(_) => json!(String::from_utf8_lossy(bytes)),
    };
    EventEntry {
        topic: topic.to_owned(),
        partition: entry.partition,
        offset: entry.offset,
        time: entry.time.to_string(),
        event,
    }
}
