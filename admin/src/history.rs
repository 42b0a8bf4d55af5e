//! `/v1/history`: what has moved and changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that has moved or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// When, RFC 3339.
    pub time: String,
    /// `start`, `limit`, `breaker`, `instance`, `config`, `overlay` or `more`.
    pub kind: String,
    /// What: such as `upstream tv/home`, an endpoint, a key, or the edge.
    pub what: String,
    /// How it stood before. None where that says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How it stands since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why.
    pub reason: String,
    /// Who did it. None where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// What `/v1/history` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// What has moved and changed, the oldest first.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page goes on. None at the end.
    pub next: Option<u64>,
    /// Whether it outlasts the process. Else the last thousand entries are kept in memory.
    pub is_kept: bool,
}
