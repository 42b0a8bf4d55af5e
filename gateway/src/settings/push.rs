//! Clients that results are pushed to.

use std::{num::NonZeroUsize, time::Duration};

/// What one process can keep open with less than 50 KiB for each.
const CONNECTIONS_MAX: usize = 10_000;
/// A burst of one client's orders; more than that, and it does not read.
const WAITING_MAX: usize = 64;
/// Below the minute after which home routers and mobile networks forget a silent connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Clients that results are pushed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Push {
    /// Connections at once.
    pub connections_max: NonZeroUsize,
    /// Results and messages that may wait for one connection.
    pub waiting_max: NonZeroUsize,
    /// Time between two signs of life, at each of which the client's credential is looked at again.
    pub heartbeat: Duration,
}

impl Default for Push {
    fn default() -> Self {
        Self {
            connections_max: NonZeroUsize::new(CONNECTIONS_MAX).unwrap_or(NonZeroUsize::MIN),
            waiting_max: NonZeroUsize::new(WAITING_MAX).unwrap_or(NonZeroUsize::MIN),
            heartbeat: HEARTBEAT,
        }
    }
}
