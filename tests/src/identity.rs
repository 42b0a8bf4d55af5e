//! Issuers with their keys, good tokens and bad ones, and what a BFF does with a Passport.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest,
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
    jwk::{Jwk, JwkSet},
};
use serde_json::{Value, json};

/// The issuer that sites expect.
pub const ISSUER: &str = "https://id.example";
/// The audience that sites expect.
pub const AUDIENCE: &str = "edge";

/// An `[identity.accounts]` that takes the tokens of `jwks.json`.
pub const ACCOUNTS: &str = "[identity.accounts]\n\
    jwks_file = \"jwks.json\"\nissuer = \"https://id.example\"\naudience = \"edge\"\n";

/// A key pair of an issuer.
pub struct Key {
    /// The key id.
    pub kid: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    private: EncodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Key {
    /// An Ed25519 key.
    pub fn ed25519(kid: &str) -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let private = EncodingKey::from_ed_der(pair.as_ref());
        Self { kid: kid.to_owned(), algorithm: Algorithm::EdDSA, private }
    }

    /// A P-256 key.
    pub fn p256(kid: &str) -> Self {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let private = EncodingKey::from_ec_der(pair.as_ref());
        Self { kid: kid.to_owned(), algorithm: Algorithm::ES256, private }
    }

    /// An RSA key; the same one for every call, because making one takes long.
    pub fn rsa(kid: &str) -> Self {
        static PKCS1: OnceLock<Vec<u8>> = OnceLock::new();
        let pkcs1 = PKCS1.get_or_init(|| {
            let pair = RsaKeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
            // PKCS #8 wraps PKCS #1 behind 26 bytes at this size.
            pair.as_der().unwrap().as_ref()[26..].to_vec()
        });
        let private = EncodingKey::from_rsa_der(pkcs1);
        Self { kid: kid.to_owned(), algorithm: Algorithm::RS256, private }
    }

    /// Its public half.
    pub fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.private, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.clone());
        serde_json::to_value(jwk).unwrap()
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.private).unwrap()
    }

    /// A token with these claims that names no key.
    pub fn sign_without_kid(&self, claims: &Value) -> String {
        encode(&Header::new(self.algorithm), claims, &self.private).unwrap()
    }

    /// A good token of `user-1`.
    pub fn token(&self) -> String {
        self.sign(&claims())
    }
}

/// The text of a key set.
pub fn jwks(keys: &[&Key]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Seconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the binary under test reads the same clock")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims of a token that is good for ten minutes.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user-1",
        "exp": now() + 600,
        "scope": "profile:read",
    })
}

/// The claims with one of them set, or left out for null.
pub fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

/// A token of any header and signature, for what no library would make.
pub fn forge(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(header.to_string().as_bytes());
    let claims = encode(claims.to_string().as_bytes());
    format!("{header}.{claims}.{}", encode(signature))
}

/// The SHA-256 of an API key, in hexadecimal digits.
pub fn sha256(key: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in digest::digest(&digest::SHA256, key.as_bytes()).as_ref() {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// Verifies a Passport as a BFF does: by the admin listener's key set, for its own audience.
///
/// # Panics
///
/// When it is not good.
pub fn verify_passport(passport: &str, key_set: &Value, audience: &str) -> Value {
    verify_passport_of("headgate", passport, key_set, audience)
}

/// As [`verify_passport`], from an issuer with another name.
///
/// # Panics
///
/// When it is not good.
pub fn verify_passport_of(issuer: &str, passport: &str, key_set: &Value, audience: &str) -> Value {
    let keys: JwkSet = serde_json::from_value(key_set.clone()).unwrap();
    let header = decode_header(passport).unwrap();
    assert_eq!(header.alg, Algorithm::EdDSA);
    let jwk = keys.find(&header.kid.expect("a key id")).expect("the key in the key set");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let key = DecodingKey::from_jwk(jwk).unwrap();
    decode::<Value>(passport, &key, &validation).expect("a good Passport").claims
}
