//! One way for events: through a log to handlers, with what fails kept apart from what works.
//!
//! An event is appended to a [`Log`], whose members read it in a group for each handler. Everything
//! here leans on `headgate_idempotency`: a delivery may come twice, and its recorded effects do
//! not. So offsets are only committed below what is settled, and a member that has lost a partition
//! without knowing does no harm.

pub mod consumer;
mod dead_letter;
mod delays;
mod deliver;
mod embedded;
pub mod envelope;
mod error;
mod exchanges;
mod feed;
pub mod kafka;
mod letter;
mod log;
mod notice;
mod parts;
mod publisher;
mod push;
#[cfg(feature = "dynamodb")]
pub mod relay;
mod results;
mod series;
pub mod sink;
mod tail;
mod timeline;
mod topic;
mod traced;

#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "kafka")]
pub use crate::kafka::KafkaLog;
#[cfg(feature = "dynamodb")]
pub use crate::relay::Relay;
#[cfg(feature = "sink")]
pub use crate::sink::Sink;
pub use crate::sink::SinkError;
pub use crate::{
    consumer::{Consumer, ConsumerHandle},
    dead_letter::{
        Actor, DeadLetterError, DeadLetters, Filter, Letter, LetterPage, LetterState, Plan,
        REDRIVES_MAX, Redriven, Resolve, Which,
    },
    delays::Delays,
    deliver::{Deliver, Delivered, Stands},
    embedded::EmbeddedLog,
    error::LogError,
    exchanges::{EXCHANGE_KIND, Exchange, ExchangeFeed, Exchanges},
    feed::{Feed, Tell, Teller},
    letter::Raw,
    log::{
        Answer, Assigned, Body, Bounds, ENTRIES_MAX, Entry, Follower, Log, Member, Message, Place,
        Polled, first_since,
    },
    notice::{Class as NoticeClass, NOTICE_KIND, Notice, NoticeFeed, Notices, Notify, Silent},
    parts::{Nudge, Parts},
    publisher::{APART_MARGIN, Publish, PublishError, Published, Publisher, fresh_id},
    push::{Following, Next, PushHub, Pushed, PushedKind, Subscribe, Subscription},
    results::{HandlerResult, Looked, Registered, Results},
    series::{SERIES_TOPIC, SeriesAction, SeriesControl, SeriesControls},
    tail::{Tail, Tailed},
    timeline::{MoveFeed, Moved, Moves, TIMELINE_KIND},
    topic::{
        AUDIT_TOPIC, CONTROL_TOPIC, EXCHANGE_TOPIC, NOTICE_TOPIC, Retention, TIMELINE_TOPIC, Topic,
        Topics,
    },
    traced::Traced,
};
