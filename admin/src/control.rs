//! `/v1/control`: what operators have changed, version by version, and the way back.

use std::fmt;

use axum::{
    body::Bytes,
    extract::{self, RawQuery},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use headgate_types::UnixTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{self, Endpoint, State, Takes, to_json},
    events::pairs,
    overlays::{ChangedBy, is_by, is_json, refusal},
    problem::Problem,
};

/// Versions of a page at most.
const LIMIT_MAX: usize = 256;
/// Versions of a page unless said.
const LIMIT: usize = 20;

/// How operators' changes stand on this edge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ControlStatus {
    /// How many changes it has taken in.
    pub version: u64,
    /// The topic that they stand in. None: they are this process's own, and end with it.
    pub topic: Option<String>,
    /// Why they can't be read or made for the moment; the edge serves on with what it has. None:
    /// they can.
    pub fault: Option<String>,
}

/// A version, and who made it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MadeStatus {
    /// Its number.
    pub version: u64,
    /// Who made it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When, RFC 3339, by the clock of the edge that was asked.
    pub time: String,
}

impl fmt::Display for MadeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, actor, reason, time } = self;
        if *version == 0 {
            return f.write_str("version 0 stands, before any change");
        }
        write!(f, "version {version} stands, by {actor} at {time}: {reason}")
    }
}

/// What a change made of one overlay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedOverlay {
    /// Its number.
    pub id: u64,
    /// The key.
    pub key: String,
    /// The value.
    pub value: serde_json::Value,
    /// When it ends, RFC 3339.
    pub expires: String,
}

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VersionStatus {
    /// The version that it made.
    pub version: u64,
    /// `set`, `unset`, `rollback` or `adopt`.
    pub action: String,
    /// The version that was gone back to. None but for a rollback.
    pub to: Option<u64>,
    /// Who made it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When, RFC 3339, by the clock of the edge that was asked.
    pub time: String,
    /// The edge that was asked.
    pub node: String,
    /// What it put in force.
    pub set: Vec<ChangedOverlay>,
    /// What it ended.
    pub unset: Vec<ChangedOverlay>,
}

/// Some versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// The versions, the oldest first.
    pub versions: Vec<VersionStatus>,
    /// Where the page of older ones ends: give it as `before`. None: there are no older ones.
    pub next: Option<u64>,
}

/// Which versions are asked for: the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionsAsk {
    /// Only those below this one. None: all.
    pub before: Option<u64>,
    /// So many at most.
    pub limit: usize,
}

/// A wish to go back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The version whose overlays are to be in force again, but for those that have expired.
    pub to: u64,
    /// Who wishes it: at most 128 bytes.
    pub actor: String,
    /// Why: at most 512 bytes.
    pub reason: String,
    /// The version that must stand. None: the one that stands when the edge is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u64>,
}

/// What a rollback has come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RolledBack {
    /// The version that stands: a new one, unless there was nothing to change.
    pub version: u64,
    /// The version that was gone back to.
    pub to: u64,
    /// What is in force again.
    pub set: Vec<ChangedOverlay>,
    /// What was ended.
    pub unset: Vec<ChangedOverlay>,
}

/// Which configuration is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigAsk {
    /// The one that was in force then.
    Time(UnixTime),
    /// The last one of a version.
    Version(u64),
}

/// What was in force on an edge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigAt {
    /// Since when, RFC 3339.
    pub since: String,
    /// Until when, RFC 3339. None: it is in force.
    pub until: Option<String>,
    /// How many changes of operators it had taken in.
    pub version: u64,
    /// Its SHA-256.
    pub digest: String,
    /// What stood over the files.
    pub overlays: Vec<ChangedOverlay>,
    /// The documents as they took effect, with defaults and overlays: files that they refer to by
    /// their digests, the platform's, and each team's.
    pub effective: serde_json::Value,
}

pub(crate) const STATUS: Endpoint = Endpoint {
    path: "/v1/control",
    takes: Takes::Get(&[]),
    summary: "How operators' changes stand on this edge",
    answers: &[api::json("The version, and whether the log can be reached", "ControlStatus")],
    handler: || get(async |state: extract::State<State>| to_json(&state.overlays.control())),
};

pub(crate) const VERSIONS: Endpoint = Endpoint {
    path: "/v1/control/versions",
    takes: Takes::Get(&[
        api::query("before", "integer", "The `next` of the page before; the last ones unless said"),
        api::query("limit", "integer", "Versions at most, 1 to 256; 20 unless said"),
    ]),
    summary: "What operators have changed on all edges of the log",
    answers: &[
        api::json("The versions, the oldest first", "Versions"),
        api::problem(503, "The log of changes can't be reached"),
    ],
    handler: || get(versions),
};

pub(crate) const ROLLBACK: Endpoint = Endpoint {
    path: "/v1/control/rollback",
    takes: Takes::Post(&[], "Rollback"),
    summary: "Restores the overlays of an earlier version",
    answers: &[
        api::json("They are in force", "RolledBack"),
        api::problem(404, "There is no such version"),
        api::problem(409, "Another version stands than expected"),
        api::problem(503, "The log of changes can't be reached, or did not tell in time"),
    ],
    handler: || post(rollback),
};

pub(crate) const AT: Endpoint = Endpoint {
    path: "/v1/control/config",
    takes: Takes::Get(&[
        api::query("time", "string", "A moment, RFC 3339; or else a version"),
        api::query("version", "integer", "A version; the last configuration of it"),
    ]),
    summary: "What was in force on this edge",
    answers: &[
        api::json("The configuration, and from when until when", "ConfigAt"),
        api::problem(400, "The query parameters are not valid"),
        api::problem(404, "This edge does not remember it"),
    ],
    handler: || get(at),
};

async fn at(state: extract::State<State>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let pairs = pairs(query.as_deref().unwrap_or_default())?;
    let [(name, value)] = pairs.as_slice() else { return Err(Problem::BadQuery) };
    let ask = match name.as_str() {
        "time" => value.parse().ok().map(ConfigAsk::Time),
        "version" => value.parse().ok().map(ConfigAsk::Version),
        _ => None,
    };
    Ok(match state.overlays.at(ask.ok_or(Problem::BadQuery)?).await {
        Ok(found) => to_json(&found),
        Err(error) => refusal(&error),
    })
}

async fn versions(
    state: extract::State<State>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut ask = VersionsAsk { before: None, limit: LIMIT };
    for (name, value) in pairs(query.as_deref().unwrap_or_default())? {
        let number = value.parse().map_err(|_| Problem::BadQuery)?;
        match name.as_str() {
            "before" => ask.before = Some(number),
            "limit" => ask.limit = usize::try_from(number).unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX),
            _ => return Err(Problem::BadQuery),
        }
    }
    Ok(match state.overlays.versions(ask).await {
        Ok(versions) => to_json(&versions),
        Err(error) => refusal(&error),
    })
}

async fn rollback(state: extract::State<State>, headers: HeaderMap, body: Bytes) -> Response {
    // A page in an operator's browser can send any text here unasked, but nothing of this type.
    let wish = is_json(&headers).then(|| serde_json::from_slice::<Rollback>(&body).ok()).flatten();
    let Some(Rollback { to, actor, reason, expect }) = wish else {
        return Problem::BadBody.into_response();
    };
    if !is_by(&actor, &reason) {
        let detail = "name who wishes it and why, in at most 128 and 512 bytes";
        return Problem::BadRequest(detail).into_response();
    }
    match state.overlays.rollback(to, ChangedBy { actor, reason, expect }).await {
        Ok(done) => to_json(&done),
        Err(error) => refusal(&error),
    }
}

#[cfg(test)]
mod tests;
