//! The spans of a series of events: what made each, who handled it, who was told.
//!
//! Nobody carries their ids about: the span of an event's making and that of a handler's work on it
//! follow from the event's id, so that each node tells its part alone and the parts fit together.

use std::{borrow::Cow, time::Duration};

use headgate_types::{Event, SpanId, UnixTime};
use sha2::{Digest as _, Sha256};

use super::{Kind, Span, Value, span_id};
use crate::labels::Settled;

/// How the sources of what handlers emit begin; the handler's scope follows.
const HANDLER: &str = "/hg/";

/// How a handler's work on an event ended.
#[derive(Clone, Copy, Debug)]
pub struct Handled<'a> {
    /// The handler's scope, `TEAM.HANDLER`.
    pub scope: &'a str,
    /// The topic that it reads.
    pub topic: &'a str,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When it began.
    pub began: UnixTime,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub settled: Settled,
    /// Why it failed. None: it did not.
    pub error: Option<&'a str>,
}

/// The span of an event's making.
fn making(event: &Event) -> SpanId {
    hashed(event.span_id, &["made", &event.source, &event.id])
}

/// The span of a handler's work on an event, up to the attempt that settles it.
pub fn handling(event: &Event, scope: &str) -> SpanId {
    handling_of(event.span_id, &event.id, scope)
}

fn handling_of(series: SpanId, id: &str, scope: &str) -> SpanId {
    hashed(series, &["handled", id, scope])
}

/// What made an event: the exchange that published it, or the handler that emitted it.
fn maker(event: &Event) -> SpanId {
    let scope = event.source.strip_prefix(HANDLER);
    match event.causation_id.as_deref().zip(scope) {
        Some((cause, scope)) => handling_of(event.span_id, cause, scope),
        None => event.span_id,
    }
}

fn hashed(otherwise: SpanId, parts: &[&str]) -> SpanId {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let first = hash.finalize().first_chunk().copied().unwrap_or_default();
    SpanId::from_bytes(first).unwrap_or(otherwise)
}

fn attributes(event: &Event) -> Vec<(&'static str, Value<'_>)> {
    vec![
        ("messaging.message.id", Value::text(&*event.id)),
        ("headgate.event.type", Value::text(&*event.kind)),
        ("headgate.event.source", Value::text(&*event.source)),
        ("headgate.event.step", Value::text(event.step.as_str())),
    ]
}

fn span<'a>(event: &'a Event, name: impl Into<Cow<'a, str>>, kind: Kind) -> Span<'a> {
    Span {
        trace_id: event.trace_id,
        span_id: making(event),
        parent_id: Some(maker(event)),
        name: name.into(),
        kind,
        began: event.time,
        took: Duration::ZERO,
        attributes: attributes(event),
        events: Vec::new(),
        error: None,
    }
}

/// An event that was made durable in so long.
pub fn published<'a>(
    event: &'a Event,
    topic: &'a str,
    (began, took): (UnixTime, Duration),
) -> Span<'a> {
    let mut span = span(event, format!("publish {}", event.kind), Kind::Producer);
    (span.began, span.took) = (began, took);
    span.attributes.push(("messaging.destination.name", Value::text(topic)));
    span
}

/// A handler's work on an event; before it, where this is the first attempt at an event that another
/// handler emitted, that event's own span, which every handler of it tells alike.
pub fn handled<'a>(event: &'a Event, handled: &Handled<'a>) -> Vec<Span<'a>> {
    let Handled { scope, topic, attempt, began, took, settled, error } = *handled;
    let mut spans = Vec::new();
    if attempt == 1 && event.causation_id.is_some() {
        spans.push(published(event, topic, (event.time, Duration::ZERO)));
    }
    let mut work = span(event, format!("handle {scope}"), Kind::Consumer);
    let whole = handling(event, scope);
    // What an attempt emitted that was not the last is gone with it.
    let is_last = settled != Settled::Deferred;
    work.span_id = if is_last { whole } else { span_id(whole, attempt.into()) };
    work.parent_id = Some(making(event));
    (work.began, work.took) = (began, took);
    work.error = error.map(Into::into);
    work.attributes.extend([
        ("messaging.destination.name", Value::text(topic)),
        ("headgate.handler", Value::text(scope)),
        ("headgate.settlement", Value::text(settled.as_str())),
        ("headgate.attempt", Value::Number(attempt.into())),
    ]);
    spans.push(work);
    spans
}

/// What a handler pushed, given to so many connections of the series' owner at this node.
pub fn pushed(event: &Event, now: UnixTime, connections: u64) -> Span<'_> {
    let mut span = span(event, format!("push {}", event.kind), Kind::Producer);
    span.took = now.since(event.time);
    span.attributes.push(("headgate.connections", Value::Number(connections)));
    span
}

#[cfg(test)]
mod tests;
