//! `/v1/history`: what has moved and changed, and what people did, on every edge of the log.

use std::{fmt, pin::Pin, str::FromStr, time::Duration};

use axum::{
    extract::{self, RawQuery},
    response::Response,
    routing::get,
};
use headgate_types::parse_duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{self, Endpoint, State, Takes, to_json},
    events::pairs,
    problem::Problem,
};

/// Characters that somebody may say of who he is, and of why.
pub(crate) const NOTE_CHARS_MAX: usize = 500;

/// Names of nodes, or kinds, that one question may have.
const WANTED_MAX: usize = 64;

/// One thing that has moved or changed, or that somebody did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// When, RFC 3339, by the clock of its node.
    pub time: String,
    /// The node: its machine's name with the port of its admin listener. None: it was kept before
    /// entries had one, by the node that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// `start`, `limit`, `breaker`, `instance`, `config`, `overlay`, `dead_letter`, `held_key` or
    /// `more`.
    pub kind: String,
    /// What: such as `upstream tv/home`, an endpoint, a key, a handler, or the edge.
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
    /// The SHA-256 of the configuration that was in force. None as with `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What `/v1/history` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// What has moved and changed, the oldest first.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page goes on: give it as `after`. None at the end.
    pub next: Option<String>,
    /// Whether the entries of the node that was asked outlast its process. Else the last thousand
    /// of them are kept in memory.
    pub is_kept: bool,
    /// Why the other nodes' entries are missing. None: they are here, or there is no log that nodes
    /// share.
    pub fault: Option<String>,
}

/// Where a page begins: in what the node that is asked keeps itself, and in the log of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryPlace {
    /// The offset in its own timeline.
    pub own: u64,
    /// The offset in the log. None: the first one of the time that is asked for.
    pub shared: Option<u64>,
}

impl fmt::Display for HistoryPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shared {
            Some(shared) => write!(f, "{}.{shared}", self.own),
            None => write!(f, "{}", self.own),
        }
    }
}

impl FromStr for HistoryPlace {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (own, shared) = match text.split_once('.') {
            Some((own, shared)) => (own, Some(shared.parse()?)),
            None => (text, None),
        };
        Ok(Self { own: own.parse()?, shared })
    }
}

/// What is asked of history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryAsk {
    /// Only what is of this time up to the present.
    pub since: Duration,
    /// Where to go on. None: from the start.
    pub after: Option<HistoryPlace>,
    /// Only entries of these nodes. Of none: of all.
    pub nodes: Vec<String>,
    /// Only entries of these kinds. Of none: of all.
    pub kinds: Vec<String>,
}

impl HistoryAsk {
    /// Whether an entry is asked for, apart from its time.
    pub fn wants(&self, entry: &HistoryEntry) -> bool {
        let is_one = |wanted: &[String], it: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| wanted == it)
        };
        is_one(&self.kinds, &entry.kind)
            && is_one(&self.nodes, entry.node.as_deref().unwrap_or_default())
    }
}

/// Keeps what has moved and changed, and what people did.
pub trait Timeline: Send + Sync {
    /// A page of entries.
    fn page(&self, ask: HistoryAsk) -> Pin<Box<dyn Future<Output = History> + Send + '_>>;

    /// Keeps what somebody did at this node; time, node and digest are its own.
    fn note(&self, entry: HistoryEntry) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

pub(crate) const HISTORY: Endpoint = Endpoint {
    path: "/v1/history",
    takes: Takes::Get(&[
        api::query("since", "string", "Only what is of this time up to the present, such as `15m`"),
        api::query("after", "string", "The `next` of the page before"),
        api::query("node", "string", "Only this node's entries; may be given several times"),
        api::query("kind", "string", "Only entries of this kind; may be given several times"),
    ]),
    summary: "What has moved and changed on all edges of the log, page by page",
    answers: &[
        api::json("Entries, and where the next page goes on", "History"),
        api::problem(400, "The query parameters are not valid"),
    ],
    handler: || get(history),
};

/// Reads `since=15m&after=7.12&kind=limit`.
fn ask(query: &str) -> Option<HistoryAsk> {
    let (mut since, mut ask) = (None, HistoryAsk::default());
    for (name, value) in pairs(query).ok()? {
        match name.as_str() {
            "since" => since = Some(parse_duration(&value).ok()?),
            "after" => ask.after = Some(value.parse().ok()?),
            "node" => ask.nodes.push(value),
            "kind" => ask.kinds.push(value),
            _ => return None,
        }
    }
    let is_short = ask.nodes.len().max(ask.kinds.len()) <= WANTED_MAX;
    Some(HistoryAsk { since: since?, ..ask }).filter(|_| is_short)
}

/// Keeps what somebody did: to what, what became of it, and who he is, with why.
pub(crate) async fn note(
    state: &State,
    kind: &str,
    (what, to): (String, String),
    (actor, reason): (Option<String>, String),
) {
    let (kind, to) = (kind.to_owned(), Some(to));
    let entry = HistoryEntry { kind, what, to, reason, actor, ..HistoryEntry::default() };
    state.timeline.note(entry).await;
}

async fn history(
    state: extract::State<State>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let ask = ask(&query.unwrap_or_default()).ok_or(Problem::BadQuery)?;
    Ok(to_json(&state.timeline.page(ask).await))
}

#[cfg(test)]
mod tests;
