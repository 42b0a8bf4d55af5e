//! The log on Apache Kafka, through librdkafka.
//!
//! Events stand in CloudEvents' binary mode, in the partition that the embedded log would choose.
//! The producer is idempotent and waits for all replicas in sync. A member stores an offset only for
//! its settled prefix, so whatever is committed, by whom and when, passes no event that is not
//! settled: a member that was thought dead does no harm when it comes back.
//!
//! librdkafka has threads of its own. What it can only do while it blocks is done on threads for
//! blocking work, and each member has a thread that polls.

#[cfg(feature = "kafka")]
mod append;
#[cfg(feature = "kafka")]
mod client;
#[cfg(feature = "kafka")]
mod failure;
#[cfg(feature = "kafka")]
mod follow;
#[cfg(feature = "kafka")]
mod groups;
#[cfg(all(feature = "kafka", feature = "testing"))]
mod local;
#[cfg(feature = "kafka")]
mod log;
#[cfg(feature = "kafka")]
mod member;
#[cfg(feature = "kafka")]
mod names;
#[cfg(feature = "kafka")]
mod read;
mod settings;
#[cfg(feature = "kafka")]
mod topics;

#[cfg(all(feature = "kafka", feature = "testing"))]
pub use self::local::{Further, KafkaLocal, OwnKafka};
#[cfg(feature = "kafka")]
use self::log::Inner;
#[cfg(feature = "kafka")]
pub use self::log::KafkaLog;
pub use self::settings::{Mechanism, Sasl, Secret, Settings, Tls};
