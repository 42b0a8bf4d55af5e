//! What a client is told, as lines of an event stream (WHATWG HTML, 9.2) and as JSON.

use bytes::Bytes;
use headgate_events::Pushed;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Said;

/// A comment, which clients skip.
const BEAT: &[u8] = b":\n\n";

/// One object for each thing that is told, the same on both kinds of connection.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Written<'a> {
    Ready { position: u64 },
    Result(Content<'a>),
    Message(Content<'a>),
    Gap { position: u64 },
    GoAway { back_after_ms: u128 },
}

#[derive(Serialize)]
struct Content<'a> {
    position: u64,
    id: &'a str,
    trace_id: String,
    time: String,
    data: &'a RawValue,
}

/// The JSON of what is told. None: that is nothing.
pub(super) fn json(said: &Said) -> Option<String> {
    let null: Box<RawValue>;
    let written = match said {
        Said::Ready(position) => Written::Ready { position: *position },
        Said::Gap(position) => Written::Gap { position: *position },
        Said::GoAway(after) => Written::GoAway { back_after_ms: after.as_millis() },
        Said::Beat | Said::CutOff => return None,
        Said::Pushed(pushed) => {
            // An event's data is JSON.
            null = RawValue::from_string(one_line(&pushed.data)).ok()?;
            let data = &*null;
            match pushed.kind {
                headgate_events::PushedKind::Result => Written::Result(content(pushed, data)),
                headgate_events::PushedKind::Message => Written::Message(content(pushed, data)),
            }
        }
    };
    serde_json::to_string(&written).ok()
}

fn content<'a>(pushed: &'a Pushed, data: &'a RawValue) -> Content<'a> {
    Content {
        position: after(pushed),
        id: &pushed.id,
        trace_id: pushed.trace.to_string(),
        time: pushed.time.to_string(),
        data,
    }
}

/// Where a client that has this goes on.
fn after(pushed: &Pushed) -> u64 {
    pushed.position + 1
}

/// JSON without line breaks: those that are in it are white space between tokens, for a string has
/// none.
fn one_line(json: &Bytes) -> String {
    String::from_utf8_lossy(json).replace(['\n', '\r'], " ")
}

/// A part of an event stream. `id` is what a client sends as `last-event-id` when it comes back.
pub(super) fn event_stream(said: &Said) -> Bytes {
    let Some(json) = json(said) else { return Bytes::from_static(BEAT) };
    let text = match said {
        Said::Ready(position) => format!("id: {position}\nevent: ready\ndata: {json}\n\n"),
        Said::Gap(position) => format!("id: {position}\nevent: gap\ndata: {json}\n\n"),
        Said::Pushed(pushed) => {
            format!("id: {}\nevent: {}\ndata: {json}\n\n", after(pushed), pushed.kind.as_str())
        }
        Said::GoAway(wait) => {
            let millis = wait.as_millis();
            format!("event: goaway\nretry: {millis}\ndata: {json}\n\n")
        }
        Said::Beat | Said::CutOff => return Bytes::from_static(BEAT),
    };
    text.into()
}

#[cfg(test)]
mod tests;
