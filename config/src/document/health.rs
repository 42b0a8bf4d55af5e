//! Checks of an upstream's endpoints.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::{CheckPath, Length};

/// Checks of each endpoint, besides what its breaker learns from calls. An endpoint that fails them
/// gets no calls, unless all do. Without this table nothing is checked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Health {
    /// Path that is asked for; an answer from 200 to 299 is a success. Without this key: opening a
    /// connection is, TLS included.
    pub(crate) path: Option<CheckPath>,
    /// Time between two checks of one endpoint, on average: each wait differs by up to a fifth.
    pub(crate) interval: Length,
    /// Time of one check.
    pub(crate) timeout: Length,
    /// Successes in a row after which an endpoint gets calls again.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) healthy_after: u32,
    /// Failures in a row after which it gets none. The first check of all decides alone.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) unhealthy_after: u32,
}

/// Envoy's and `HAProxy`'s order of magnitude.
const INTERVAL: Duration = Duration::from_secs(5);
/// A healthy endpoint answers its check within milliseconds.
const TIMEOUT: Duration = Duration::from_secs(1);
/// `HAProxy`'s `rise` and `fall`.
const HEALTHY_AFTER: u32 = 2;
const UNHEALTHY_AFTER: u32 = 3;

impl Default for Health {
    fn default() -> Self {
        Self {
            path: None,
            interval: Length(INTERVAL),
            timeout: Length(TIMEOUT),
            healthy_after: HEALTHY_AFTER,
            unhealthy_after: UNHEALTHY_AFTER,
        }
    }
}
