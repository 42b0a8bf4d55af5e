//! Exchanges that became events: pages of their facts, and the exchanges of a trace.

use std::time::Duration;

use headgate_events::{EXCHANGE_TOPIC, Entry, LogError, Parts, first_since};
use headgate_types::{TraceId, UnixTime, format_duration};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{EventState, entries::newest, failed};
use crate::{api::FactsAsk, problem::Problem, why::Why};

/// The one partition of the topic.
const PARTITION: u32 = 0;
/// Entries of one read.
const ROWS: usize = 256;
/// Exchanges of one page at most: some megabytes.
const PAGE_MAX: usize = 4_096;
/// Exchanges that a search for one trace looks through at most, the newest first.
const SEARCHED_MAX: usize = 200_000;

/// A page of facts, in the form that an edge has which keeps facts alone.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Page {
    facts: Vec<Box<RawValue>>,
    /// Where the next page goes on. None: nowhere.
    next: Option<u64>,
    kept_for: Option<String>,
}

/// The part of an exchange that is its fact. None: it ended before it had one.
#[derive(Debug, Deserialize)]
struct Told {
    facts: Option<Box<RawValue>>,
}

/// A page of the facts of exchanges, oldest first. None: exchanges are no events here.
pub(crate) async fn facts(state: &EventState, ask: FactsAsk) -> Result<Option<Page>, Problem> {
    let Some(kept) = state.exchanges else { return Ok(None) };
    let now = state.parts.clock.unix_time().as_duration();
    let since = UnixTime::from_duration(now.saturating_sub(ask.since));
    match page(&state.parts, since, ask.after).await {
        Ok(page) => Ok(Some(Page { kept_for: Some(format_duration(kept)), ..page })),
        Err(error) => Err(failed(&error)),
    }
}

async fn page(parts: &Parts, since: UnixTime, after: Option<u64>) -> Result<Page, LogError> {
    let mut page = Page::default();
    let bounds = parts.log.bounds(EXCHANGE_TOPIC).await?.unwrap_or_default();
    let Some(bounds) = bounds.first().copied() else { return Ok(page) };
    let mut next = match after {
        Some(after) => after.max(bounds.first),
        None => first_since(&*parts.log, (EXCHANGE_TOPIC, PARTITION), since, bounds).await?,
    };
    let mut seen = 0;
    // What comes while pages are read is for whoever asks later: pages come to an end.
    while next < bounds.next && seen < PAGE_MAX {
        let entries = parts.log.read(EXCHANGE_TOPIC, PARTITION, next, ROWS).await?;
        // What is gone or takes an offset without being an entry ends the page.
        next = entries.last().map_or(bounds.next, |last| last.offset + 1);
        seen += ROWS;
        page.facts.extend(entries.iter().filter(|entry| entry.time >= since).filter_map(fact));
    }
    page.next = (next < bounds.next).then_some(next);
    Ok(page)
}

fn fact(entry: &Entry) -> Option<Box<RawValue>> {
    let event = entry.event().ok()?;
    serde_json::from_slice::<Told>(&event.data).ok()?.facts
}

/// What exchanges of a trace are events.
#[derive(Debug)]
pub(crate) enum Searched {
    /// These.
    Found(Box<Why>),
    /// None of those that are kept, or that were looked through: how far that is, for people.
    None(String),
}

/// The exchanges of a trace, from all edges that share the log. None: exchanges are no events here.
pub(crate) async fn why(state: &EventState, trace: TraceId) -> Result<Option<Searched>, Problem> {
    let Some(kept) = state.exchanges else { return Ok(None) };
    let mut left = SEARCHED_MAX;
    let of_trace = |entry: &Entry| entry.event().is_ok_and(|event| event.trace_id == trace);
    let found = newest(&state.parts, EXCHANGE_TOPIC, &mut left, of_trace).await?;
    let events = found.iter().filter_map(|entry| entry.event().ok());
    if let Some(why) = Why::read(events.map(|event| event.data)) {
        return Ok(Some(Searched::Found(Box::new(why))));
    }
    Ok(Some(Searched::None(reach(kept, SEARCHED_MAX - left, left == 0))))
}

fn reach(kept: Duration, searched: usize, is_cut: bool) -> String {
    let kept = format_duration(kept);
    let which = if is_cut { "the last " } else { "" };
    format!(
        "nor is one of its exchanges among {which}{searched} events of {EXCHANGE_TOPIC}, which are \
         kept for {kept} (events.exchanges)"
    )
}
