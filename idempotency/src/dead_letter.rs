//! What is kept of an event that is given up.

use bytes::Bytes;
use headgate_types::{Event, InvalidEvent, UnixTime};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{child::Child, derived::child_id, key::Scope};

/// Before the scope, in the name of the topic of its dead letters. They have one partition.
pub const DEAD_LETTERS: &str = "hg.dlq.";
/// Tells the id of a dead letter from that of an emitted event.
const LABEL: &str = "#dead_letter";

/// Why an event is given up, for people who look through many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It failed as often as it may.
    Attempts,
    /// The handler panicked, and not for the first time.
    Panic,
    /// It is not what the handler takes.
    Unreadable,
    /// What the handler wrote is more than one commit holds.
    TooLarge,
    /// Whether its effect happened is not known, and its key is held.
    InDoubt,
    /// Its key was used for another event's data.
    Conflict,
    /// Its bytes are no event.
    Undecodable,
}

/// The id of the dead letter of an event with a handler: one for each event, however often it is
/// given up.
pub fn letter_id<T>(event: &Event<T>, scope: &Scope) -> String {
    child_id(event, scope, LABEL)
}

#[derive(Serialize)]
struct DeadLetter<'a> {
    reason: Reason,
    error: &'a str,
    attempts: u32,
    time: String,
    scope: &'a str,
    event: &'a RawValue,
}

/// The entry for an event that is given up: one JSON object with the event in it. Its id is the
/// same however often it is made.
///
/// # Errors
///
/// [`InvalidEvent`]: no log accepts the event.
pub fn dead_letter(
    event: &Event,
    scope: &Scope,
    (reason, error): (Reason, &str),
    attempts: u32,
    now: UnixTime,
) -> Result<Child, InvalidEvent> {
    let not_json =
        |error: serde_json::Error| InvalidEvent::DataNotJson { reason: error.to_string() };
    let encoded = event.encode()?;
    let letter = DeadLetter {
        reason,
        error,
        attempts,
        time: now.to_string(),
        scope: scope.as_str(),
        event: serde_json::from_slice(&encoded).map_err(not_json)?,
    };
    Ok(Child {
        id: letter_id(event, scope),
        topic: format!("{DEAD_LETTERS}{scope}"),
        partition: 0,
        time: now,
        payload: Bytes::from(serde_json::to_vec(&letter).map_err(not_json)?),
    })
}
