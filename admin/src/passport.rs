//! `/v1/passport`: the keys that sign Passports, and their rotation by command.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract,
    http::HeaderMap,
    response::{IntoResponse as _, Response},
    routing::post,
};
use headgate_types::format_duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::{
    api::{Answer, Endpoint, State, Takes, to_json},
    overlays::is_json,
    problem::{self, Problem},
};

/// The keys that sign Passports.
pub trait PassportKeys: Send + Sync {
    /// The public keys, as the text of a JSON Web Key Set.
    fn jwks(&self) -> String;

    /// Lets the next key take over. May wait for the disk.
    ///
    /// # Errors
    ///
    /// [`RotateError`]; the key that signs is the same then.
    fn rotate(&self, is_forced: bool) -> Result<PassportRotated, RotateError>;
}

/// Why the next key did not take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RotateError {
    /// Some upstreams may not have read it; all have after this time.
    TooSoon(Duration),
    /// The keys could not be made or kept.
    Failed,
}

/// The body of a wish for another key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotatePassport {
    /// Whether the next key takes over even if some upstreams may not have read it: they refuse
    /// Passports until they read the keys again.
    pub force: bool,
}

/// What a rotation has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PassportRotated {
    /// The name of the key that signs from now on.
    pub signs: String,
    /// The name of the one that follows.
    pub next: String,
    /// When that one takes over by itself, RFC 3339.
    pub turns_at: String,
}

/// Rotates by command.
pub(crate) const ROTATE: Endpoint = Endpoint {
    path: "/v1/passport/rotate",
    takes: Takes::Post(&[], "RotatePassport"),
    summary: "Lets the next key sign Passports",
    answers: &[
        Answer {
            status: 200,
            summary: "It signs",
            content_type: "application/json",
            schema: Some("PassportRotated"),
        },
        Answer {
            status: 409,
            summary: "Upstreams may not have read it",
            content_type: problem::CONTENT_TYPE,
            schema: Some("Problem"),
        },
    ],
    handler: || post(rotate),
};

async fn rotate(
    state: extract::State<State>,
    headers: HeaderMap,
    body: Result<Bytes, extract::rejection::BytesRejection>,
) -> Response {
    // As for overlays: a page in an operator's browser can send no JSON here unasked.
    if !is_json(&headers) {
        return Problem::BadBody.into_response();
    }
    let wish = body.ok().and_then(|body| serde_json::from_slice::<RotatePassport>(&body).ok());
    let Some(wish) = wish else { return Problem::BadBody.into_response() };
    let keys = state.passport_keys.clone();
    match spawn_blocking(move || keys.rotate(wish.force)).await {
        Ok(Ok(rotated)) => to_json(&rotated),
        Ok(Err(RotateError::TooSoon(left))) => {
            let left = format_duration(Duration::from_secs(left.as_secs().max(1)));
            Problem::KeyTooNew.with_detail(&format!("upstreams have the next key after {left}"))
        }
        Ok(Err(RotateError::Failed)) | Err(_) => Problem::KeysNotKept.into_response(),
    }
}
