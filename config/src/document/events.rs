//! Events: where they are kept, what publishes them, and what handles them.

use std::time::Duration;

use headgate_events::NoticeClass;
use headgate_gateway::settings as gateway;
use headgate_types::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::document::{
    exchanges::Exchanges,
    kafka::Kafka,
    platform::count,
    scalar::{
        Backoff, EventKey, EventType, Function, Length, LengthOrZero, Name, On, Size, TopicName,
        Webhook,
    },
};

/// Where events are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Events {
    /// The log: `embedded` is a file in `data.dir`, for one edge; `kafka` the topics of a cluster,
    /// for several, and needs `store = "dynamodb"` in `[idempotency]`.
    pub(crate) log: EventLog,
    /// The cluster. Only with `log = "kafka"`.
    pub(crate) kafka: Option<Kafka>,
    /// Room for bodies that are too large for an event. Without this table there is none, and a
    /// body has at most `64KiB`.
    pub(crate) claim_check: Option<ClaimCheck>,
    /// The edges that are changed together, by a name of theirs: what an operator changes on one of
    /// them is in force on all of the same name that share a log. Without it, all that share a log.
    pub(crate) fleet: Option<Name>,
    /// Who is told when events fail.
    pub(crate) notices: Notices,
    /// Which exchanges become events.
    pub(crate) exchanges: Exchanges,
}

/// Room for bodies that are too large for an event: they are kept with the idempotency records, the
/// event carries a reference, and handlers get the body. Each is kept a day longer than its topic
/// keeps an event, and up to one more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClaimCheck {
    /// Bytes of one body that a route may ask for with its own `max_body`: more than `64KiB`, and
    /// at most `4MiB`.
    pub(crate) max_body: Size,
    /// Bytes of all bodies that are kept at a time, by all edges together. While it is full, routes
    /// answer large bodies with 503.
    pub(crate) max_total: Size,
}

impl Default for ClaimCheck {
    fn default() -> Self {
        Self { max_body: Size(APART_BODY), max_total: Size(APART_TOTAL) }
    }
}

/// As much as a request has anywhere else.
const APART_BODY: ByteSize = ByteSize::from_bytes(1 << 20);
/// A thousand of the largest: noticed on no disk, and reached before a mistake fills one.
const APART_TOTAL: ByteSize = ByteSize::from_bytes(1 << 30);

/// Who is told when events fail: each error is an event of the topic `hg.notices`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Notices {
    /// The errors that are told: `parked` (the event is a dead letter), `held` (whether an effect
    /// happened is not known, and its key waits for a person), `rejected` (the function refused the
    /// event for good), `conflict` (the key was used for another event's data), `undecodable` (the
    /// entry is no event), `expired` (the event came too late), `dependency` (something that the
    /// handler needs is down; its events wait), `deferred` (an attempt failed, and another one
    /// follows).
    #[schemars(schema_with = "notice_classes")]
    pub(crate) on: Vec<NoticeClass>,
    /// A URL that gets each notice as functions get events, again and again until it answers 2xx.
    pub(crate) webhook: Option<Webhook>,
}

impl Default for Notices {
    fn default() -> Self {
        use NoticeClass::{Conflict, Dependency, Expired, Held, Parked, Undecodable};
        let on = vec![Parked, Held, Conflict, Undecodable, Expired, Dependency];
        Self { on, webhook: None }
    }
}

/// A list of classes of errors, by their words.
fn notice_classes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "enum": NoticeClass::ALL } })
}

/// A log of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventLog {
    /// A file in `data.dir`, for one edge.
    #[default]
    Embedded,
    /// The topics of a Kafka cluster, for several edges.
    Kafka,
}

/// What a topic is, where it is not as others. A topic is there as soon as a route publishes to it
/// or a handler names it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Topic {
    /// Its partitions: events of one key are in one partition. Once it has events, the number must
    /// stay, or keys change their partitions.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) partitions: u32,
    /// How long its events are kept after every handler is done with them.
    pub(crate) retention: Length,
}

impl Default for Topic {
    fn default() -> Self {
        let topic = gateway::Topic::new("");
        Self { partitions: topic.partitions, retention: Length(topic.retention) }
    }
}

/// An event in place of a call: the request's body is its data. The client gets 202 once the event
/// is durable, with the `location` of the results.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["topic", "type", "key"]))]
pub(crate) struct Publish {
    /// The topic. No other team may publish to it.
    pub(crate) topic: Option<TopicName>,
    /// The event's type, with its version.
    #[serde(rename = "type")]
    pub(crate) kind: Option<EventType>,
    /// What the event is about; events of one key stay in order. `body.PATH` is a text or whole
    /// number in the JSON body, `header.NAME` a header, `device_id` the one device, `user` the
    /// caller's subject.
    pub(crate) key: Option<EventKey>,
    /// How long the client waits for the results of the event's handlers before it gets 202. `0s`
    /// waits for none. At most the route's `timeout`.
    pub(crate) wait: LengthOrZero,
}

impl Default for Publish {
    fn default() -> Self {
        Self { topic: None, kind: None, key: None, wait: LengthOrZero(Duration::ZERO) }
    }
}

/// A function that handles events of one type. It gets each by HTTP as `CloudEvents` has it,
/// and what it answers takes effect once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["on", "call"]))]
pub(crate) struct Handler {
    /// The events: `TOPIC/TYPE`, of any team's topic.
    pub(crate) on: Option<On>,
    /// The function: `http://host:port/path`, or `UPSTREAM/path` at an upstream of the same team.
    pub(crate) call: Option<Function>,
    /// Which events wait for one that is tried again: `unordered` none, `per_key` those of its key.
    pub(crate) order: Order,
    /// What becomes of an event that fails.
    pub(crate) retry: Redelivery,
    /// Time of one call.
    pub(crate) timeout: Length,
    /// Calls at once by one edge, at most.
    #[schemars(range(min = 1, max = 10000))]
    pub(crate) concurrency: u32,
}

/// No function should take longer to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Default for Handler {
    fn default() -> Self {
        Self {
            on: None,
            call: None,
            order: Order::default(),
            retry: Redelivery::default(),
            timeout: Length(TIMEOUT),
            concurrency: count(gateway::HANDLER_CONCURRENCY),
        }
    }
}

/// Which events wait for one that is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// None.
    #[default]
    Unordered,
    /// Those of its key.
    PerKey,
}

/// What becomes of an event that fails: it is tried again, and at last it is a dead letter.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Redelivery {
    /// Retries after the first attempt. Zero means none. A function that can't be reached costs
    /// none.
    #[schemars(range(max = 1000))]
    pub(crate) max: u32,
    /// The first wait and the longest; each is up to twice as long as the one before, drawn at
    /// random.
    pub(crate) backoff: Backoff,
}

impl Default for Redelivery {
    fn default() -> Self {
        let retry = gateway::Redelivery::default();
        Self { max: retry.max, backoff: Backoff((retry.first, retry.longest)) }
    }
}
