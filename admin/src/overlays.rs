//! `/v1/overlays`: values that operators put over the files' for a while.

use std::{pin::Pin, time::Duration};

use axum::{
    body::Bytes,
    extract::{self, Path},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use headgate_types::{format_duration, parse_duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    api::{State, to_json},
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

/// Sets and unsets what stands over the files.
pub trait Overlays: Send + Sync {
    /// Puts an overlay in force; answers once it is, and is kept.
    fn set(&self, wish: OverlayWish) -> Answer;

    /// Ends an overlay before its time; answers with what it was.
    fn unset(&self, id: u64) -> Answer;

    /// All overlays that have not expired, by number.
    fn list(&self) -> Vec<OverlayStatus>;
}

/// What comes of a wish.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<OverlayStatus, OverlayError>> + Send>>;

/// An overlay as it is wished.
#[derive(Clone, Debug, PartialEq)]
pub struct OverlayWish {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// How long from now on; at most [`LIFETIME_MAX`].
    pub lifetime: Duration,
    /// Who wishes it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Why a wish is not granted; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverlayError {
    /// It does not fit the files.
    Refused(Vec<FaultStatus>),
    /// There are as many as there may be.
    TooMany,
    /// It could not be written where it would outlast the process.
    NotKept,
    /// There is none of this number.
    Unknown,
    /// As many wishes wait as may wait.
    Busy,
}

/// No overlays, where the configuration stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOverlays;

impl Overlays for NoOverlays {
    fn set(&self, _wish: OverlayWish) -> Answer {
        Box::pin(async { Err(OverlayError::Refused(vec![fixed()])) })
    }

    fn unset(&self, _id: u64) -> Answer {
        Box::pin(async { Err(OverlayError::Unknown) })
    }

    fn list(&self) -> Vec<OverlayStatus> {
        Vec::new()
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
}

/// What `/v1/overlays` answers.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OverlayList {
    /// All that have not expired, by number.
    overlays: Vec<OverlayStatus>,
}

pub(crate) async fn list(state: extract::State<State>) -> Response {
    to_json(&OverlayList { overlays: state.overlays.list() })
}

pub(crate) async fn set(
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

pub(crate) async fn unset(state: extract::State<State>, id: Path<String>) -> Response {
    let Ok(id) = id.parse() else { return Problem::NoOverlay.into_response() };
    match state.overlays.unset(id).await {
        Ok(overlay) => to_json(&overlay),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &OverlayError) -> Response {
    match error {
        OverlayError::Refused(faults) => Problem::OverlayRefused.with_faults(faults),
        OverlayError::TooMany => Problem::TooManyOverlays.into_response(),
        OverlayError::Unknown => Problem::NoOverlay.into_response(),
        OverlayError::NotKept | OverlayError::Busy => Problem::NotTaken.into_response(),
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
        Some(Value::String(text)) if text.trim().is_empty() || text.len() > bytes_max => {
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
    let unknown = members.keys().map(|key| fault(key, "is unknown"));
    faults.extend(unknown);
    match (value, lifetime) {
        (Some(value), Some(lifetime)) if faults.is_empty() => {
            Ok(OverlayWish { key, value, lifetime, actor, reason })
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
