//! The documents as people write them: every key with its meaning and default.
//!
//! Doc comments here are what the schema and the reference page say.

pub(crate) mod discovery;
pub(crate) mod events;
pub(crate) mod exchanges;
pub(crate) mod health;
pub(crate) mod idempotency;
pub(crate) mod identity;
pub(crate) mod kafka;
pub(crate) mod keys;
pub(crate) mod mirror;
pub(crate) mod overload;
pub(crate) mod owner;
pub(crate) mod platform;
pub(crate) mod probe;
pub(crate) mod push;
pub(crate) mod scalar;
pub(crate) mod sink;
pub(crate) mod split;
pub(crate) mod team;
pub(crate) mod telemetry;
pub(crate) mod tls;
pub(crate) mod why;
