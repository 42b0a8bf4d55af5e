//! `/v1/overlays`: values that operators put over the files' for a while.

use std::{pin::Pin, time::Duration};

use axum::{
    body::Bytes,
    extract::{self, Path, RawQuery},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use headgate_types::{format_duration, parse_duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    api::{self, Endpoint, Parameter, State, Takes, to_json},
    control::{ConfigAsk, ConfigAt, ControlStatus, MadeStatus, RolledBack, Versions, VersionsAsk},
    events::pairs,
    problem::Problem,
    status::{FaultStatus, OverlayStatus},
};

/// How long an overlay may last: what is meant for longer belongs in a file.
pub const LIFETIME_MAX: Duration = Duration::from_hours(30 * 24);
/// How long an overlay lasts at least: less is over before anybody sees it.
const LIFETIME_MIN: Duration = Duration::from_secs(1);
/// Bytes of a key.
const KEY_BYTES_MAX: usize = 512;
/// Bytes of who has set it.
const ACTOR_BYTES_MAX: usize = 128;
/// Bytes of why.
const REASON_BYTES_MAX: usize = 512;
/// Who ends an overlay where nobody is named.
const ACTOR: &str = "operator";

/// Changes what stands over the files, and tells what was changed. Each change is a version; it is
/// in force and kept when it is answered.
pub trait Overlays: Send + Sync {
    /// Puts an overlay in force.
    fn set(&self, wish: OverlayWish) -> Answer<OverlayStatus>;

    /// Ends an overlay before its time; answers with what it was.
    fn unset(&self, id: u64, by: ChangedBy) -> Answer<OverlayStatus>;

    /// All overlays that have not expired, by number.
    fn list(&self) -> Vec<OverlayStatus>;

    /// How changes stand.
    fn control(&self) -> ControlStatus;

    /// Restores the overlays of an earlier version.
    fn rollback(&self, to: u64, by: ChangedBy) -> Answer<RolledBack>;

    /// What was changed, a page of versions.
    fn versions(&self, ask: VersionsAsk) -> Answer<Versions>;

    /// What was in force on this edge.
    fn at(&self, at: ConfigAsk) -> Answer<ConfigAt>;
}

/// What comes of a wish.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, OverlayError>> + Send>>;

/// Who changes something, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedBy {
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// The version that must stand. None: any, as long as nobody changed the same meanwhile.
    pub expect: Option<u64>,
}

/// An overlay as it is wished.
#[derive(Clone, Debug, PartialEq)]
pub struct OverlayWish {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// How long from now on; at most [`LIFETIME_MAX`].
    pub lifetime: Duration,
    /// Who wishes it, and why.
    pub by: ChangedBy,
}

/// Why a wish is not granted; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverlayError {
    /// It does not fit the files.
    Refused(Vec<FaultStatus>),
    /// There are as many as there may be.
    TooMany,
    /// There is none of this number.
    Unknown,
    /// Another version stands than the one that was expected, or somebody changed the same.
    Conflict {
        /// The version that was expected.
        expected: u64,
        /// The one that stands.
        stands: Box<MadeStatus>,
    },
    /// The log that changes stand in can't be reached, and why.
    NoLog(String),
    /// It may be in force or come into force: the log did not tell in time.
    InDoubt,
    /// There is no such version, or it is not known any more.
    NoVersion,
    /// What was in force then is not remembered here.
    NotRecorded,
    /// As many wishes wait as may wait, or another process takes over.
    Busy,
}

/// No overlays, where the configuration stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOverlays;

impl Overlays for NoOverlays {
    fn set(&self, _wish: OverlayWish) -> Answer<OverlayStatus> {
        Box::pin(async { Err(OverlayError::Refused(vec![fixed()])) })
    }

    fn unset(&self, _id: u64, _by: ChangedBy) -> Answer<OverlayStatus> {
        Box::pin(async { Err(OverlayError::Unknown) })
    }

    fn list(&self) -> Vec<OverlayStatus> {
        Vec::new()
    }

    fn control(&self) -> ControlStatus {
        ControlStatus::default()
    }

    fn rollback(&self, _to: u64, _by: ChangedBy) -> Answer<RolledBack> {
        Box::pin(async { Err(OverlayError::NoVersion) })
    }

    fn versions(&self, _ask: VersionsAsk) -> Answer<Versions> {
        Box::pin(async { Ok(Versions::default()) })
    }

    fn at(&self, _at: ConfigAsk) -> Answer<ConfigAt> {
        Box::pin(async { Err(OverlayError::NotRecorded) })
    }
}

fn fixed() -> FaultStatus {
    fault("", "this edge's configuration does not come from files, and stays as it is")
}

/// The body of a wish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OverlayRequest {
    /// The key, such as `edge.timeout` or `team.tv.route.home.timeout`.
    pub key: String,
    /// The value as a file would have it.
    pub value: Value,
    /// How long it is in force, such as `1h`: from `1s` to `30d`.
    #[serde(rename = "for")]
    pub lifetime: String,
    /// Who wishes it: at most 128 bytes.
    pub actor: String,
    /// Why: at most 512 bytes.
    pub reason: String,
    /// The version that must stand. None: any, as long as nobody changes the same key meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u64>,
}

/// What `/v1/overlays` answers.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OverlayList {
    /// All that have not expired, by number.
    overlays: Vec<OverlayStatus>,
}

const PATH: &str = "/v1/overlays";

pub(crate) const LIST: Endpoint = Endpoint {
    path: PATH,
    takes: Takes::Get(&[]),
    summary: "What stands over the files",
    answers: &[api::json("The overlays, by number", "OverlayList")],
    handler: || get(list),
};

pub(crate) const SET: Endpoint = Endpoint {
    path: PATH,
    takes: Takes::Post(&[], "OverlayRequest"),
    summary: "Puts a value over the files' until it expires",
    answers: &[
        api::Answer {
            status: 201,
            summary: "It is in force",
            content_type: api::JSON,
            schema: Some("OverlayStatus"),
        },
        api::problem(409, "Another version stands than expected, or there are too many"),
        api::problem(422, "It does not fit the files"),
        api::problem(503, "The log of changes can't be reached, or did not tell in time"),
    ],
    handler: || post(set),
};

pub(crate) const UNSET: Endpoint = Endpoint {
    path: "/v1/overlays/{id}",
    takes: Takes::Delete(&[
        Parameter { name: "id", is_path: true, kind: "integer", summary: "The overlay's number" },
        api::query("actor", "string", "Who ends it; `operator` unless said"),
        api::query("reason", "string", "Why"),
        api::query("expect", "integer", "The version that must stand; any unless said"),
    ]),
    summary: "Ends an overlay before its time",
    answers: &[
        api::json("It was in force until now", "OverlayStatus"),
        api::problem(404, "There is none of this number"),
        api::problem(409, "Another version stands than expected"),
        api::problem(503, "The log of changes can't be reached, or did not tell in time"),
    ],
    handler: || delete(unset),
};

async fn list(state: extract::State<State>) -> Response {
    to_json(&OverlayList { overlays: state.overlays.list() })
}

async fn set(
    state: extract::State<State>,
    headers: HeaderMap,
    body: Result<Bytes, extract::rejection::BytesRejection>,
) -> Response {
    // A page in an operator's browser can send any text here unasked, but nothing of this type.
    if !is_json(&headers) {
        let faults = [fault("", "content-type is not application/json")];
        return Problem::BadBody.with_faults(&faults);
    }
    let members = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
    let Some(members) = members else {
        let faults = [fault("", "the body is no JSON object, or too large")];
        return Problem::BadBody.with_faults(&faults);
    };
    let wish = match wish(members) {
        Ok(wish) => wish,
        Err(faults) => return Problem::OverlayRefused.with_faults(&faults),
    };
    match state.overlays.set(wish).await {
        Ok(overlay) => (StatusCode::CREATED, to_json(&overlay)).into_response(),
        Err(error) => refusal(&error),
    }
}

async fn unset(
    state: extract::State<State>,
    id: Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(id) = id.parse() else { return Problem::NoOverlay.into_response() };
    let Some(by) = changed_by(query.as_deref().unwrap_or_default()) else {
        return Problem::BadQuery.into_response();
    };
    match state.overlays.unset(id, by).await {
        Ok(overlay) => to_json(&overlay),
        Err(error) => refusal(&error),
    }
}

/// Who ends an overlay, and why, of a query.
fn changed_by(query: &str) -> Option<ChangedBy> {
    let mut by = ChangedBy { actor: ACTOR.to_owned(), reason: String::new(), expect: None };
    for (name, value) in pairs(query).ok()? {
        match name.as_str() {
            "actor" if is_note(&value, ACTOR_BYTES_MAX) => by.actor = value,
            "reason" if value.len() <= REASON_BYTES_MAX => by.reason = value,
            "expect" => by.expect = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    Some(by)
}

fn is_note(text: &str, bytes_max: usize) -> bool {
    !text.trim().is_empty() && text.len() <= bytes_max
}

/// Whether somebody is named, and a reason, in as many bytes as they may have.
pub(crate) fn is_by(actor: &str, reason: &str) -> bool {
    is_note(actor, ACTOR_BYTES_MAX) && is_note(reason, REASON_BYTES_MAX)
}

pub(crate) fn refusal(error: &OverlayError) -> Response {
    match error {
        OverlayError::Refused(faults) => Problem::OverlayRefused.with_faults(faults),
        OverlayError::TooMany => Problem::TooManyOverlays.into_response(),
        OverlayError::Unknown => Problem::NoOverlay.into_response(),
        OverlayError::Busy => Problem::NotTaken.into_response(),
        OverlayError::Conflict { expected, stands } => {
            let detail = format!("expected was version {expected}, and {stands}");
            Problem::OtherVersion.with_detail(&detail)
        }
        OverlayError::NoLog(why) => Problem::NoControl.with_detail(why),
        OverlayError::InDoubt => Problem::ChangeInDoubt.into_response(),
        OverlayError::NoVersion => Problem::NoVersion.into_response(),
        OverlayError::NotRecorded => Problem::NotRecorded.into_response(),
    }
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

/// The wish of a body, or all that is wrong with it.
fn wish(mut members: Map<String, Value>) -> Result<OverlayWish, Vec<FaultStatus>> {
    let mut faults = Vec::new();
    let value = members.remove("value").filter(|value| !value.is_null());
    if value.is_none() {
        faults.push(fault("value", "is missing"));
    }
    let mut text = |key, bytes_max| match members.remove(key) {
        Some(Value::String(text)) if !is_note(&text, bytes_max) => {
            faults.push(fault(key, &format!("has 1 to {bytes_max} bytes")));
            String::new()
        }
        Some(Value::String(text)) => text,
        Some(_) => {
            faults.push(fault(key, "is no text"));
            String::new()
        }
        None => {
            faults.push(fault(key, "is missing"));
            String::new()
        }
    };
    let (key, length) = (text("key", KEY_BYTES_MAX), text("for", KEY_BYTES_MAX));
    let (actor, reason) = (text("actor", ACTOR_BYTES_MAX), text("reason", REASON_BYTES_MAX));
    let lifetime = parse_duration(&length)
        .ok()
        .filter(|length| (LIFETIME_MIN..=LIFETIME_MAX).contains(length));
    if lifetime.is_none() && !length.is_empty() {
        let (min, max) = (format_duration(LIFETIME_MIN), format_duration(LIFETIME_MAX));
        faults.push(fault("for", &format!("{length:?} is no length from {min} to {max}")));
    }
    let expect = members.remove("expect").filter(|expect| !expect.is_null());
    if expect.as_ref().is_some_and(|expect| !expect.is_u64()) {
        faults.push(fault("expect", "is no version's number"));
    }
    let expect = expect.and_then(|expect| expect.as_u64());
    let unknown = members.keys().map(|key| fault(key, "is unknown"));
    faults.extend(unknown);
    match (value, lifetime) {
        (Some(value), Some(lifetime)) if faults.is_empty() => {
            let by = ChangedBy { actor, reason, expect };
            Ok(OverlayWish { key, value, lifetime, by })
        }
        _ => Err(faults),
    }
}

fn fault(key: &str, message: &str) -> FaultStatus {
    FaultStatus {
        code: None,
        at: "request".to_owned(),
        key: key.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
