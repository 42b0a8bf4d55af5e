//! The demo's identity provider: one key, made at each start.

use anyhow::anyhow;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use headgate_types::Clock as _;
use serde_json::{Value, json};

use crate::clock::SystemClock;

/// How long the demo's tokens last.
const TOKEN_SECONDS: u64 = 12 * 60 * 60;

/// Signs tokens that the demo's edge accepts.
pub(super) struct Signer(Ed25519KeyPair);

impl Signer {
    pub(super) fn new() -> anyhow::Result<Self> {
        let failed = |_| anyhow!("no key could be made");
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failed)?;
        let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).map_err(|_| anyhow!("unusable key"))?;
        Ok(Self(key))
    }

    /// The key set that verifies the tokens.
    pub(super) fn jwks(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "demo", "x": x,
        }] })
        .to_string()
    }

    /// A token as the demo's configuration wants it.
    pub(super) fn token(&self, subject: &str, device_id: &str) -> anyhow::Result<String> {
        let now = SystemClock.unix_time().as_secs();
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": "demo" });
        let claims = json!({
            "iss": "https://id.example", "aud": "edge", "sub": subject, "device_id": device_id,
            "iat": now, "exp": now + TOKEN_SECONDS,
        });
        let signed = format!("{}.{}", part(&header)?, part(&claims)?);
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        Ok(format!("{signed}.{signature}"))
    }
}

fn part(json: &Value) -> anyhow::Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(json)?))
}
