//! Events that a handler emits, and what it pushes to whoever waits for the series.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use headgate_types::{Event, Follow};
use serde::Serialize;

use super::Context;
use crate::{child::Child, derived::child_id, fault::Fault, key::Scope, partition::partition_of};

/// The topic of what is pushed to whoever waits for a series. Its key is the owner, so that one
/// partition has all that is his in order; of a series without one, the trace.
pub const PUSH_TOPIC: &str = "hg.results";
/// The type of what a handler pushes.
pub const PUSH_KIND: &str = "hg.push.v1";
/// The type of what tells how a handler settled the first event of a series.
pub const RESULT_KIND: &str = "hg.result.v1";
/// Stands in labels that no handler can give.
const RESERVED: char = '#';

/// Data that can be emitted as an event of its own.
pub trait Emit: Serialize {
    /// Where it goes: a topic and a type, such as `billing/order.charged.v1`.
    const TO: &'static str;

    /// The entity that the event is about. None: the one of the event that is handled.
    fn partition_key(&self) -> Option<Cow<'_, str>> {
        None
    }
}

impl<T: Emit> Emit for &T {
    const TO: &'static str = T::TO;

    fn partition_key(&self) -> Option<Cow<'_, str>> {
        (*self).partition_key()
    }
}

impl<M> Context<M> {
    /// Emits an event with the commit. Its id follows from the handled event and the label, so a
    /// handler that runs again emits the same one; a run emits once under each label.
    ///
    /// The order of calls is the order of the events.
    ///
    /// # Errors
    ///
    /// [`Fault::Retry`] for a label that was used before, data that is no JSON or too large, a
    /// series that is too deep, and more than a commit has room for: all are faults of the program,
    /// so that the event is given up in the end and can be handled by a better one.
    pub fn emit<D: Emit>(&mut self, label: &str, data: D) -> Result<(), Fault> {
        let (topic, kind) = const { split(D::TO) };
        if label.contains(RESERVED) {
            return Err(Fault::retry(format!("the label {label:?} has a {RESERVED} in it")));
        }
        let key = data.partition_key().map(|key| key.into_owned().into());
        let key = key.unwrap_or_else(|| Arc::clone(&self.shared.event.partition_key));
        let to = To { topic, kind, key };
        self.keep(label, to, &data)
    }

    /// Emits an event as [`emit`](Self::emit) does, to a place that is only known at run time.
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit), and [`Fault::Retry`] for a topic or type that is empty.
    pub fn emit_to<D: Serialize>(
        &mut self,
        label: &str,
        to: &Place<'_>,
        data: &D,
    ) -> Result<(), Fault> {
        if label.contains(RESERVED) {
            return Err(Fault::retry(format!("the label {label:?} has a {RESERVED} in it")));
        }
        if to.topic.is_empty() || to.kind.is_empty() {
            return Err(Fault::retry(format!("{label:?} is emitted to no topic, or as no type")));
        }
        let key = to.key.map_or_else(|| Arc::clone(&self.shared.event.partition_key), Into::into);
        self.keep(label, To { topic: to.topic, kind: to.kind, key }, data)
    }

    /// Pushes a message, with the commit, to whoever waits for what follows from the first event of
    /// the series.
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit).
    pub fn push<D: Serialize>(&mut self, message: D) -> Result<(), Fault> {
        self.pushed += 1;
        let label = format!("{RESERVED}push.{}", self.pushed);
        let key = push_key(&self.shared.event);
        self.keep(&label, To { topic: PUSH_TOPIC, kind: PUSH_KIND, key }, &message)
    }

    fn keep<D: Serialize>(&mut self, label: &str, to: To<'_>, data: &D) -> Result<(), Fault> {
        self.room()?;
        let shared = &self.shared;
        let id = child_id(&shared.event, &shared.scope, label);
        // Labels that are the same are ids that are the same.
        if self.emitted.iter().any(|child| child.id == id) {
            return Err(Fault::retry(format!("two events are emitted as {label:?}")));
        }
        let data = serde_json::to_vec(data)
            .map_err(|error| Fault::retry(format!("{label:?} is no JSON: {error}")))?;
        let follow = Follow {
            id: id.as_str().into(),
            source: Arc::clone(&shared.source),
            kind: to.kind.into(),
            partition_key: to.key,
            time: shared.records.unix_time(),
            ordinal: u32::try_from(self.emitted.len() + 1).unwrap_or(u32::MAX),
        };
        let event = shared.event.follow(follow, Bytes::from(data)).map_err(Fault::retry)?;
        let payload = event.encode().map_err(Fault::retry)?;
        let partitions = shared.partitions.get(to.topic).unwrap_or(shared.terms.partitions);
        self.emitted.push(Child {
            id,
            topic: to.topic.to_owned(),
            partition: partition_of(&event.partition_key, partitions),
            time: event.time,
            payload,
        });
        Ok(())
    }
}

/// The key of what is pushed for a series.
pub(crate) fn push_key<T>(event: &Event<T>) -> Arc<str> {
    event.owner.clone().unwrap_or_else(|| event.trace_id.to_string().into())
}

/// Where an event goes that is emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The type.
    pub kind: &'a str,
    /// The entity that the event is about. None: the one of the event that is handled.
    pub key: Option<&'a str>,
}

struct To<'a> {
    topic: &'a str,
    kind: &'a str,
    key: Arc<str>,
}

/// The source of what a scope's handler emits.
pub(crate) fn source(scope: &Scope) -> Arc<str> {
    format!("/hg/{scope}").into()
}

/// Takes `topic/type` apart while the program is compiled.
const fn split(to: &'static str) -> (&'static str, &'static str) {
    let mut rest = to.as_bytes();
    while let [byte, after @ ..] = rest
        && *byte != b'/'
    {
        rest = after;
    }
    let (topic, kind) = to.split_at(to.len() - rest.len());
    assert!(!topic.is_empty() && kind.len() > 1, "Emit::TO is a topic and a type: topic/type");
    (topic, kind.split_at(1).1)
}
