//! What the edge tells of single exchanges beside their access lines.

use headgate_gateway::settings as gateway;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::{Length, ServiceUrl};

/// Which exchanges are told in the process's log because they took long.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Slow {
    /// Those that took so long or longer, each with where its time went. A route may set its own.
    /// Without this key: none on routes that do not.
    pub(crate) over: Option<Length>,
    /// So many a second at most; the others are counted.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) per_second: u32,
}

impl Default for Slow {
    fn default() -> Self {
        let slow = gateway::Slow::default();
        Self { over: slow.over.map(Length), per_second: slow.per_second }
    }
}

/// Where traces are sent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Traces {
    /// The collector, which takes OTLP over HTTP: its `/v1/traces` gets spans of exchanges, of their
    /// attempts and waits, and of the events that follow. Without this key nothing is sent.
    pub(crate) endpoint: Option<ServiceUrl>,
    /// Of the traces that begin here, so many a second are sent. Whether one of a trusted peer is,
    /// its `traceparent` says.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) per_second: u32,
}

impl Default for Traces {
    fn default() -> Self {
        Self { endpoint: None, per_second: gateway::TRACES_PER_SECOND }
    }
}
