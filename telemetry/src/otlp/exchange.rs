//! The spans of one exchange, from its access line.

use std::borrow::Cow;

use headgate_types::Class;

use super::{Kind, Span, Value, span_id};
use crate::{
    access::{Line, Mark, Part, Step, steps},
    labels::AttemptResult,
};

/// The spans of an exchange: one for the whole, named by method and route, and one for each part in
/// which time passed. They say what its access line says, by which they are made; names of
/// attributes are those of OpenTelemetry's semantic conventions where these have one.
pub fn exchange<'l>(line: &Line<'l>) -> Vec<Span<'l>> {
    let whole = whole(line);
    let steps = steps(line);
    let mut spans = Vec::with_capacity(steps.len() + 1);
    let id = whole.span_id;
    spans.push(whole);
    let mut attempt = id;
    for (number, step) in (0..).zip(&steps) {
        let own = span_id(id, number);
        let parent = match step.part {
            Part::Connect(_) => attempt,
            Part::Attempt(..) => {
                attempt = own;
                id
            }
            _ => id,
        };
        let mut span = part(line, step);
        (span.span_id, span.parent_id) = (own, Some(parent));
        spans.push(span);
    }
    spans
}

fn whole<'l>(line: &Line<'l>) -> Span<'l> {
    let route = line.route.and_then(|route| route.text("route"));
    let name = match route {
        Some(route) => format!("{} {route}", line.request.method).into(),
        None => Cow::Borrowed(line.request.method),
    };
    let marks = Mark::ALL.into_iter();
    let events = marks.filter_map(|mark| Some((mark.as_str(), line.journal.offset(mark)?)));
    Span {
        trace_id: line.trace.trace_id,
        span_id: line.trace.span_id,
        parent_id: line.trace.parent_id,
        name,
        kind: Kind::Server,
        began: line.time,
        took: line.duration,
        attributes: attributes(line),
        events: events.collect(),
        // By the semantic conventions what a client does wrong is no fault of a server.
        error: line
            .status
            .is_some_and(|status| status >= 500)
            .then(|| line.outcome.as_str().into()),
    }
}

fn attributes<'l>(line: &Line<'l>) -> Vec<(&'static str, Value<'l>)> {
    let request = &line.request;
    let mut all = vec![
        ("http.request.method", Value::text(request.method)),
        ("url.path", Value::text(request.path)),
        ("headgate.outcome", Value::text(line.outcome.as_str())),
        ("http.request.body.size", Value::Number(line.request_bytes)),
        ("http.response.body.size", Value::Number(line.response_bytes)),
        ("headgate.attempts", Value::Number(line.attempts.len() as u64)),
    ];
    let member = |name| line.route.and_then(|route| route.text(name));
    let texts = [
        ("server.address", request.host),
        ("client.address", request.client.text("client")),
        ("headgate.listener", request.client.text("listener")),
        ("headgate.code", line.code),
        ("headgate.team", member("team")),
        ("headgate.route", member("route")),
        ("headgate.upstream", member("upstream")),
        ("headgate.arm", member("arm")),
        ("headgate.device", line.device.map(|device| &*device.class)),
        ("headgate.priority", line.priority.map(Class::as_str)),
        ("headgate.identity", line.identity.map(|caller| caller.source)),
        ("headgate.config", line.config.text("config")),
    ];
    all.extend(texts.into_iter().filter_map(|(name, text)| Some((name, Value::text(text?)))));
    let status = line.status.map(|status| Value::Number(status.into()));
    all.extend(status.map(|status| ("http.response.status_code", status)));
    all
}

/// A part of the exchange, with the ids of the whole.
fn part<'l>(line: &Line<'l>, step: &Step<'l>) -> Span<'l> {
    let mut span = Span {
        trace_id: line.trace.trace_id,
        span_id: line.trace.span_id,
        parent_id: None,
        name: step.part.to_string().into(),
        kind: Kind::Internal,
        began: line.time + step.started,
        took: step.took,
        attributes: Vec::new(),
        events: Vec::new(),
        error: None,
    };
    if let Part::Attempt(number, attempt) = step.part {
        span.kind = Kind::Client;
        span.attributes = vec![
            ("server.address", Value::text(&*attempt.endpoint)),
            ("http.request.method", Value::text(line.request.method)),
            ("http.request.resend_count", Value::Number(number as u64 - 1)),
            ("headgate.result", Value::text(attempt.result.as_str())),
        ];
        let has_failed = attempt.result != AttemptResult::Ok;
        span.error = has_failed.then(|| attempt.result.as_str().into());
    }
    span
}

#[cfg(test)]
mod tests;
