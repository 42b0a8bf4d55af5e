//! One way for events: through a log to handlers, with what fails kept apart from what works.
//!
//! An event is appended to a [`Log`], whose members read it in a group for each handler. Everything
//! here leans on `headgate_idempotency`: a delivery may come twice, and its recorded effects do
//! not. So offsets are only committed below what is settled, and a member that has lost a partition
//! without knowing does no harm.

mod delays;
mod deliver;
mod embedded;
pub mod envelope;
mod error;
#[cfg(feature = "kafka")]
pub mod kafka;
mod log;
mod notice;
mod topic;

#[cfg(feature = "kafka")]
pub use crate::kafka::KafkaLog;
pub use crate::{
    delays::Delays,
    deliver::{Deliver, Delivered, Stands},
    embedded::EmbeddedLog,
    error::LogError,
    log::{
        Answer, Assigned, Body, Bounds, ENTRIES_MAX, Entry, Log, Member, Message, Place, Polled,
    },
    notice::{Class as NoticeClass, Notice, Notify, Silent},
    topic::{AUDIT_TOPIC, NOTICE_TOPIC, Retention, Topic, Topics},
};
