//! What moves on a node and what is done there, as events for all nodes of a log.

use bytes::Bytes;
use headgate_idempotency::Random;
use headgate_types::{Event, Root, UnixTime};

use crate::{
    Message, Topic,
    exchanges::whole_millis,
    feed::{Feed, Tell, Teller},
    publisher::{fresh_id, fresh_series},
};

/// The type of such an event.
pub const TIMELINE_KIND: &str = "edge.timeline.v1";
/// Who tells, before the node's name.
const SOURCE: &str = "/hg/edge/";

/// An event of a node, a series of its own.
#[derive(Clone, Debug)]
pub struct Moved(Event);

/// Takes events of this node.
pub type Moves = Teller<Moved>;

/// Appends them to their topic. There is one in a process.
pub type MoveFeed = Feed<Moved>;

impl Moved {
    /// Something that moved or was done on a node; `data` is a JSON object. None: there were no
    /// random bits for a trace, which hardly ever is.
    pub fn new(node: &str, time: UnixTime, data: Bytes, random: &dyn Random) -> Option<Self> {
        let (trace_id, span_id) = fresh_series(random)?;
        let root = Root {
            id: fresh_id(random).into(),
            source: format!("{SOURCE}{node}").into(),
            kind: TIMELINE_KIND.into(),
            partition_key: node.into(),
            time: whole_millis(time),
            trace_id,
            span_id,
        };
        Some(Self(Event::root(root, data)))
    }
}

impl Tell for Moved {
    /// A minute of as many as one node tells.
    const WAITING_MAX: usize = 1_024;

    fn message(self, topic: &Topic) -> Message {
        Message::of(topic, self.0)
    }
}
