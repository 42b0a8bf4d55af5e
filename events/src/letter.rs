//! Dead letters as they stand in their topic: JSON objects, each with why, when, and the event.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use headgate_idempotency::{Child, DEAD_LETTERS};
use headgate_types::{Event, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Entry;

/// The space of marks that a dead letter was written.
pub(crate) const LETTERS: &str = "hg.letters";
/// Bytes of an entry that are kept: with base64 and the rest still an entry.
const RAW_BYTES_MAX: usize = 512 << 10;
const UNDECODABLE: &str = "undecodable";

/// A dead letter as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) reason: String,
    pub(crate) error: String,
    pub(crate) attempts: u32,
    pub(crate) time: String,
    pub(crate) scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) raw: Option<Raw>,
}

/// An entry that is no event, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raw {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// Headers, as text as far as they are.
    pub headers: Vec<(String, String)>,
    /// The value, in base64.
    pub value: String,
    /// Whether the value is longer than what is kept of it.
    pub is_cut: bool,
}

impl Raw {
    fn of(topic: &str, entry: &Entry) -> Self {
        let text = |value: &Bytes| String::from_utf8_lossy(value).into_owned();
        let value = entry.value.get(..RAW_BYTES_MAX).unwrap_or(&entry.value);
        Self {
            topic: topic.to_owned(),
            partition: entry.partition,
            offset: entry.offset,
            headers: entry.headers.iter().map(|(name, it)| (name.clone(), text(it))).collect(),
            value: STANDARD.encode(value),
            is_cut: value.len() < entry.value.len(),
        }
    }

    /// The bytes of the value.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.value).ok()
    }

    /// The name of the dead letter.
    pub(crate) fn id(&self) -> String {
        format!("{}.{}.{}", self.topic, self.partition, self.offset)
    }
}

impl Written {
    /// The event, where it is one.
    pub(crate) fn event(&self) -> Option<Event> {
        let event = self.event.as_ref()?;
        Event::decode(&Bytes::copy_from_slice(event.get().as_bytes())).ok()
    }
}

/// The dead letter of an entry that is no event, with its bytes.
pub(crate) fn undecodable(
    scope: &str,
    topic: &str,
    (entry, error): (&Entry, &str),
    now: UnixTime,
) -> Child {
    let raw = Raw::of(topic, entry);
    let id = raw.id();
    let letter = Written {
        reason: UNDECODABLE.to_owned(),
        error: error.to_owned(),
        attempts: 0,
        time: now.to_string(),
        scope: scope.to_owned(),
        event: None,
        raw: Some(raw),
    };
    // It holds texts and numbers alone.
    let payload = serde_json::to_vec(&letter).expect("a letter is JSON");
    let topic = format!("{DEAD_LETTERS}{scope}");
    Child { id, topic, partition: 0, time: now, payload: payload.into() }
}
