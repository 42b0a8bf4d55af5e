//! A caller's token and the key set that verifies it, made anew for each run.

use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::json;

use crate::clock;

/// Longer than any run.
const LIFETIME: Duration = Duration::from_hours(1);
const KEY_ID: &str = "load";

/// The `iss` of the token.
pub(crate) const ISSUER: &str = "https://id.example";
/// The `aud` of the token.
pub(crate) const AUDIENCE: &str = "edge";

/// A token and what verifies it.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The JWT in its compact form, signed with `EdDSA`.
    pub(crate) text: String,
    /// The JSON Web Key Set with the public key.
    pub(crate) key_set: String,
}

impl Token {
    /// Makes a key and signs one token with it.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub(crate) fn new() -> Result<Self> {
        let key = Ed25519KeyPair::generate().context("can't make a key")?;
        let now = clock::unix_seconds();
        let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": KEY_ID});
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "load-1", "scope": "home:read",
            "iat": now, "exp": now + LIFETIME.as_secs(),
        });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = encode(key.sign(signed.as_bytes()));
        let public = encode(key.public_key());
        let key_set = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KEY_ID, "x": public},
        ]});
        Ok(Self { text: format!("{signed}.{signature}"), key_set: key_set.to_string() })
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL.encode(bytes)
}
