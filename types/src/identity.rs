//! Who calls, as far as the edge has verified it.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::UnixTime;

/// A verified caller. Made only by the edge, never from a client's own headers.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The subject: `sub` of a token, the owner of an API key.
    pub subject: Arc<str>,
    /// The one device, from the claim that the identity source names; the subject by default.
    pub device_id: Arc<str>,
    /// The configured identity source that vouched.
    pub source: Arc<str>,
    /// How the caller proved it.
    pub strength: Strength,
    /// What the caller may do: `scope` or `scp` of a token, the scopes of an API key.
    pub scopes: Vec<String>,
    /// The verified claims of the token; for an API key the ones configured with it.
    pub claims: Map<String, Value>,
    /// When the proof ends. None for an API key without an end.
    pub expires_at: Option<UnixTime>,
}

/// How a caller proved who it is, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// It has proved nothing.
    Anonymous,
    /// A shared secret sent along with the request.
    ApiKey,
    /// A bearer token that the server vouches for which has issued it.
    OpaqueToken,
    /// A bearer token with a verified signature.
    SignedToken,
    /// A certificate whose private key the client holds.
    ClientCertificate,
}

impl Strength {
    /// The word used in Passports and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::ApiKey => "api_key",
            Self::OpaqueToken => "opaque_token",
            Self::SignedToken => "signed_token",
            Self::ClientCertificate => "client_certificate",
        }
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
