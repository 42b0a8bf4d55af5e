//! Exchanges as events.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::Length;

/// Which exchanges become events of the topic `hg.exchanges`, for whoever wants to know what the
/// edges did: what was decided and by what numbers, attempts, timing, and the outcome. Never a
/// token, a body, or a query. `headgate plan --replay`, `headgate shed simulate`, `headgate audit`
/// and `headgate why` then read them, of every edge that shares the log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Exchanges {
    /// `off`: none; `sampled`: at most `per_second`, drawn evenly; `all`: each one. Whatever the log
    /// can't take in time is dropped and counted, and no request waits for it.
    pub(crate) record: Record,
    /// How many exchanges a second each edge records with `sampled`.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) per_second: u32,
    /// How long they are kept, as far as 512 MiB go.
    pub(crate) keep: Length,
}

/// Enough to see a route that one request in a thousand asks for, at what a disk does not notice.
const PER_SECOND: u32 = 200;
/// Long enough to look into what happened last night.
const KEEP: Duration = Duration::from_hours(24);

impl Default for Exchanges {
    fn default() -> Self {
        Self { record: Record::default(), per_second: PER_SECOND, keep: Length(KEEP) }
    }
}

/// Which exchanges become events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Record {
    /// None.
    #[default]
    Off,
    /// So many a second.
    Sampled,
    /// Each one.
    All,
}
