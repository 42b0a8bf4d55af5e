//! Tells whoever owns a series how a handler settled its first event, with the settlement itself.

use bytes::Bytes;
use headgate_types::{DATA_BYTES_MAX, Event, Follow};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Decorated;
use crate::{
    child::Child,
    context::{PUSH_TOPIC, RESULT_KIND, push_key},
    derived::child_id,
    handler::Handler,
    partition::partition_of,
};

/// Bytes that what is told takes beside the result.
const AROUND_BYTES: usize = 1 << 10;
/// Behind everything that a run emits.
const ORDINAL: u32 = u32::MAX;

/// How a handler settled an event, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Done,
    Refused,
    GivenUp,
    Cancelled,
}

impl Told {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is told.
#[derive(Serialize)]
struct Written<'a> {
    handler: &'a str,
    outcome: &'static str,
    /// None: there is none, or it is too large to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    /// The result is too large to be told and has to be asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_cut: bool,
}

impl<H: Handler> Decorated<H> {
    /// What the owner of a series is told. None: it has no owner, the event is not its first one,
    /// or nobody wants to tell.
    ///
    /// Its id follows from the event, the handler and the word: an attempt that is repeated tells
    /// the same, and an event that is given up and then redriven tells both.
    pub(super) fn told(&self, event: &Event, word: Told, result: Option<&Bytes>) -> Option<Child> {
        let handler = self.terms.told_as.as_deref()?;
        if event.owner.is_none() || event.causation_id.is_some() {
            return None;
        }
        let is_cut = result.is_some_and(|it| it.len() + AROUND_BYTES > DATA_BYTES_MAX);
        let result = result.filter(|_| !is_cut);
        let result = result.and_then(|result| serde_json::from_slice(result).ok());
        let written = Written { handler, outcome: word.as_str(), result, is_cut };
        let data = serde_json::to_vec(&written).ok()?;
        let id = child_id(event, &self.scope, &format!("#result.{}", word.as_str()));
        let follow = Follow {
            id: id.as_str().into(),
            source: self.source.clone(),
            kind: RESULT_KIND.into(),
            partition_key: push_key(event),
            time: self.records.unix_time(),
            ordinal: ORDINAL,
        };
        let told = event.follow(follow, Bytes::from(data)).ok()?;
        let payload = told.encode().ok()?;
        let partitions = self.partitions.get(PUSH_TOPIC).unwrap_or(self.terms.partitions);
        let partition = partition_of(&told.partition_key, partitions);
        Some(Child { id, topic: PUSH_TOPIC.to_owned(), partition, time: told.time, payload })
    }
}
