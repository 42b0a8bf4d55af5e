//! An Ed25519 key and the tokens that it signs (RFC 7515, RFC 8037).

use std::fmt;

use aws_lc_rs::{
    digest,
    signature::{ED25519_PUBLIC_KEY_LEN, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use headgate_types::Passport;
use serde_json::json;

use crate::passport::Error;

/// Bytes of the seed that a private key is made from (RFC 8032).
const SEED_BYTES: usize = 32;

/// A private key.
pub(super) struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
    /// The header of all its tokens, encoded, with the dot.
    header: String,
}

/// The public half of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey {
    /// The key itself, as base64url.
    pub(super) x: String,
    /// Its thumbprint (RFC 7638), as base64url: nobody has to think of a name.
    kid: String,
}

impl Signer {
    pub(super) fn generate() -> Result<Self, Error> {
        Ed25519KeyPair::generate().map(Self::from_pair).map_err(|_| Error::Crypto)
    }

    /// Takes over a key that was kept. None when the halves are no pair.
    pub(super) fn from_halves(seed: &str, x: &str) -> Option<Self> {
        let seed = BASE64_URL_SAFE_NO_PAD.decode(seed).ok()?;
        let public = BASE64_URL_SAFE_NO_PAD.decode(x).ok()?;
        if seed.len() != SEED_BYTES {
            return None;
        }
        Ed25519KeyPair::from_seed_and_public_key(&seed, &public).ok().map(Self::from_pair)
    }

    /// The private half, as base64url.
    pub(super) fn seed(&self) -> Result<String, Error> {
        use aws_lc_rs::encoding::AsBigEndian as _;

        let seed = self.pair.seed().map_err(|_| Error::Crypto)?;
        let bytes = seed.as_be_bytes().map_err(|_| Error::Crypto)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_ref()))
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A compact JWS of the claims.
    pub(super) fn sign(&self, passport: &Passport) -> Result<String, Error> {
        let claims = serde_json::to_vec(passport).map_err(|_| Error::Crypto)?;
        let mut token = self.header.clone();
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.try_sign(token.as_bytes()).map_err(|_| Error::Crypto)?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn from_pair(pair: Ed25519KeyPair) -> Self {
        let public = PublicKey::new(BASE64_URL_SAFE_NO_PAD.encode(pair.public_key()));
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": public.kid }).to_string();
        let header = BASE64_URL_SAFE_NO_PAD.encode(header) + ".";
        Self { pair, public, header }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("public", &self.public).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Takes over a key that was kept. None when it can't be one.
    pub(super) fn from_x(x: String) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&x).ok()?;
        (bytes.len() == ED25519_PUBLIC_KEY_LEN).then(|| Self::new(x))
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.kid
    }

    /// The key as a member of a key set.
    pub(super) fn to_jwk(&self) -> serde_json::Value {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": self.x,
            "kid": self.kid,
            "alg": "EdDSA",
            "use": "sig",
        })
    }

    fn new(x: String) -> Self {
        // The required members in the order of their names, without spaces: RFC 7638, section 3.
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let thumbprint = digest::digest(&digest::SHA256, members.as_bytes());
        let kid = BASE64_URL_SAFE_NO_PAD.encode(thumbprint);
        Self { x, kid }
    }
}
