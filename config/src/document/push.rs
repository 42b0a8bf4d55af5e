//! Clients that results are pushed to, as the platform's file has them.

use headgate_gateway::settings as gateway;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{platform::count, scalar::Length};

/// Clients that wait for results at `/_headgate/push`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Push {
    /// Connections at once. One more is refused with 503 (HG0043). They count among
    /// `edge.max_connections` too.
    #[schemars(range(min = 1))]
    pub(crate) max_connections: u32,
    /// Results and messages that may wait for one connection, each of at most 64 KiB. A connection
    /// with more is cut off; when it comes back it goes on where it was.
    #[schemars(range(min = 1, max = 10000))]
    pub(crate) max_waiting: u32,
    /// Time between two signs of life on a connection, at each of which its credential is looked at
    /// again: one that has ended or was withdrawn ends the connection.
    pub(crate) heartbeat: Length,
}

impl Default for Push {
    fn default() -> Self {
        let push = gateway::Push::default();
        Self {
            max_connections: count(push.connections_max.get()),
            max_waiting: count(push.waiting_max.get()),
            heartbeat: Length(push.heartbeat),
        }
    }
}
