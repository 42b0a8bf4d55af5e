//! Exchanges as events: each request that the edge has ended, for whoever wants to know of it.

use std::time::Duration;

use bytes::Bytes;
use headgate_types::{Class, Event, Root, SpanId, TraceId, UnixTime};

use crate::{
    Message, Topic,
    feed::{Feed, Tell, Teller},
};

/// The type of an exchange's event.
pub const EXCHANGE_KIND: &str = "edge.exchange.v1";
/// Who tells.
const SOURCE: &str = "/hg/edge";

/// An exchange that has ended.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its own span.
    pub span_id: SpanId,
    /// When it ended.
    pub time: UnixTime,
    /// What it was worth.
    pub priority: Class,
    /// What became of it: a JSON object.
    pub data: Bytes,
}

/// Takes exchanges that have ended. An exchange never waits for its event.
pub type Exchanges = Teller<Exchange>;

/// Appends exchanges to their topic, one event each. There is one in a process.
pub type ExchangeFeed = Feed<Exchange>;

impl Tell for Exchange {
    const WAITING_MAX: usize = 8_192;

    /// The event of an exchange, in the series that the exchange belongs to.
    fn message(self, topic: &Topic) -> Message {
        let Self { trace_id, span_id, time, priority, data } = self;
        let root = Root {
            id: format!("{trace_id}-{span_id}").into(),
            source: SOURCE.into(),
            kind: EXCHANGE_KIND.into(),
            partition_key: trace_id.to_string().into(),
            time: whole_millis(time),
            trace_id,
            span_id,
        };
        let event = Event { priority, ..Event::root(root, data) };
        Message::of(topic, event)
    }
}

/// The time as events have it.
pub(crate) fn whole_millis(time: UnixTime) -> UnixTime {
    let millis = time.as_duration().as_millis();
    UnixTime::from_duration(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}
