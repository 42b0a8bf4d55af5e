//! The verified identity as a BFF receives it.

use serde::{Deserialize, Serialize};

/// The claims of the signed JWT in `headgate-passport`, for one upstream's audience.
///
/// After Netflix's Passport ("Edge Authentication and Token-Agnostic Identity Propagation", 2021),
/// with JWT in place of protobuf, so that any BFF verifies it with a stock library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passport {
    /// Issuer: the edge's configured name.
    pub iss: String,
    /// Audience: the upstream, as `team/upstream`.
    pub aud: String,
    /// The verified subject.
    pub sub: String,
    /// The one device.
    pub device_id: String,
    /// The device's class.
    pub device: String,
    /// The identity source that vouched for the subject.
    pub source: String,
    /// How the caller proved it, as [`crate::Strength`] spells it.
    pub strength: String,
    /// What the caller may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The route, as `team/route`.
    pub route: String,
    /// The trace in which this Passport was signed. One Passport serves many requests while it is
    /// fresh; a request's own trace is in `traceparent`.
    pub trace: String,
    /// Signed at, in seconds since the epoch.
    pub iat: u64,
    /// Ends at, in seconds since the epoch: never later than the caller's own token.
    pub exp: u64,
    /// Unique to this Passport.
    pub jti: String,
}
