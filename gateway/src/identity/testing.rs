//! Clocks that tests move, an issuer with its keys, and key sets that come when a test says so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use bytes::Bytes;
use headgate_types::{Clock, Identity, Moment, Strength, UnixTime};
use http::{HeaderMap, HeaderValue, Request, Uri, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::{
    identity::{Fetch, FetchError, FetchKeys, Verified, verified::Proof},
    settings::{IdentityKind, IdentitySource, Jwt, KeySet},
};

/// The time of day at which every test begins.
pub(crate) const START: u64 = 1_700_000_000;

/// Stands still for good.
#[derive(Debug)]
pub(crate) struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Moment {
        Moment::from_nanos(1)
    }

    fn unix_time(&self) -> UnixTime {
        UnixTime::from_secs(1_795_243_200)
    }
}

/// Key sets that never come.
#[derive(Debug)]
pub(crate) struct NoFetch;

impl FetchKeys for NoFetch {
    fn fetch(&self, _uri: Uri) -> Fetch<'_> {
        Box::pin(std::future::pending())
    }

    fn ask(&self, _question: Request<Bytes>) -> Fetch<'_> {
        Box::pin(std::future::pending())
    }
}

/// Stands still until it is moved.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(Mutex<Duration>);

impl ManualClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment::from(*self.0.lock())
    }

    fn unix_time(&self) -> UnixTime {
        UnixTime::from_secs(START) + *self.0.lock()
    }
}

/// Tells tokio's time, which tests pause.
#[derive(Debug)]
pub(crate) struct PausedClock(Instant);

impl Default for PausedClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Moment {
        Moment::from(self.0.elapsed())
    }

    fn unix_time(&self) -> UnixTime {
        UnixTime::from_secs(START) + self.0.elapsed()
    }
}

/// A key pair of an issuer.
pub(crate) struct IssuerKey {
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) private: EncodingKey,
}

impl IssuerKey {
    pub(crate) fn ed25519(kid: &str) -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let private = EncodingKey::from_ed_der(pair.as_ref());
        Self { kid: Some(kid.to_owned()), algorithm: Algorithm::EdDSA, private }
    }

    pub(crate) fn p256(kid: &str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let private = EncodingKey::from_ec_der(pair.as_ref());
        Self { kid: Some(kid.to_owned()), algorithm: Algorithm::ES256, private }
    }

    pub(crate) fn rsa(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let pkcs8 = pair.as_der().unwrap();
        // PKCS #8 wraps PKCS #1 behind 26 bytes at this size.
        let private = EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]);
        Self { kid: Some(kid.to_owned()), algorithm: Algorithm::RS256, private }
    }

    pub(crate) fn without_kid(self) -> Self {
        Self { kid: None, ..self }
    }

    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.private, self.algorithm).unwrap();
        jwk.common.key_id.clone_from(&self.kid);
        serde_json::to_value(jwk).unwrap()
    }

    pub(crate) fn header(&self) -> Header {
        Header { kid: self.kid.clone(), ..Header::new(self.algorithm) }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        encode(&self.header(), claims, &self.private).unwrap()
    }
}

pub(crate) fn key_set(keys: &[&IssuerKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Claims of a token that is good for ten minutes.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://id.example",
        "aud": "edge",
        "sub": "user-1",
        "exp": START + 600,
    })
}

/// The claims with one of them changed, or left out for null.
pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

pub(crate) fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

pub(crate) fn jwt(keys: KeySet) -> Jwt {
    Jwt {
        keys,
        issuer: Some("https://id.example".to_owned()),
        audience: Some("edge".to_owned()),
        device_id_claim: None,
        leeway: Duration::from_secs(30),
        refresh: Duration::from_mins(10),
        refetch_interval: Duration::from_secs(10),
        keep_on_outage: Duration::from_hours(1),
    }
}

pub(crate) fn source(kind: IdentityKind) -> IdentitySource {
    IdentitySource { name: "accounts".into(), kind }
}

/// A caller as a source would vouch for it.
pub(crate) fn verified(expires_at: Option<u64>, leeway: Duration) -> Verified {
    let expires_at = expires_at.map(UnixTime::from_secs);
    let identity = Identity {
        subject: "user-1".into(),
        device_id: "tv-9".into(),
        source: "accounts".into(),
        strength: Strength::SignedToken,
        scopes: vec!["read".to_owned()],
        claims: Map::new(),
        expires_at,
    };
    let ends_at = expires_at.map(|end| end + leeway);
    Verified::new(identity, Proof { ends_at, ..Proof::default() })
}

/// An issuer's server: answers with what it was last given, after a while, and counts.
#[derive(Debug, Default)]
pub(crate) struct FakeFetch {
    answer: Mutex<Option<String>>,
    takes: Mutex<Duration>,
    count: AtomicUsize,
    /// All that it was asked with a body.
    pub(crate) questions: Mutex<Vec<Request<Bytes>>>,
}

impl FakeFetch {
    pub(crate) fn serving(keys: &[&IssuerKey]) -> Arc<Self> {
        let this = Self::default();
        this.serve(keys);
        Arc::new(this)
    }

    pub(crate) fn serve(&self, keys: &[&IssuerKey]) {
        self.serve_text(&key_set(keys));
    }

    pub(crate) fn serve_text(&self, text: &str) {
        *self.answer.lock() = Some(text.to_owned());
    }

    pub(crate) fn fail(&self) {
        *self.answer.lock() = None;
    }

    pub(crate) fn take(&self, each: Duration) {
        *self.takes.lock() = each;
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl FetchKeys for FakeFetch {
    fn fetch(&self, _: Uri) -> Fetch<'_> {
        Box::pin(async {
            self.count.fetch_add(1, Ordering::SeqCst);
            let takes = *self.takes.lock();
            tokio::time::sleep(takes).await;
            let answer = self.answer.lock().clone();
            answer.map(Into::into).ok_or(FetchError::Status(http::StatusCode::BAD_GATEWAY))
        })
    }

    fn ask(&self, question: Request<Bytes>) -> Fetch<'_> {
        self.questions.lock().push(question.clone());
        self.fetch(question.uri().clone())
    }
}
