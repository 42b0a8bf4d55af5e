//! A JSON Web Key Set (RFC 7517) as verification uses it.

use std::{
    fmt,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::identity::{KeySetError, Reason};

/// Keys of one set, usable or not. Issuers publish two or three; the search is linear.
pub(super) const KEYS_MAX: usize = 256;

/// The algorithms that tokens may be signed with. Each takes public keys of one type, so that no
/// public key can be passed off as a shared secret.
pub(super) const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Bytes of an RSA modulus: from 2048 bits, below which signatures can be forged with effort, to
/// 8192, above which verification takes too long.
const RSA_MODULUS_BYTES: RangeInclusive<usize> = 256..=1024;

/// Bytes of a coordinate on P-256 and of an Ed25519 public key.
const CURVE_POINT_BYTES: usize = 32;

/// The keys of one set that can verify tokens.
#[derive(Debug, Default)]
pub(super) struct KeyRing {
    keys: Vec<Arc<Key>>,
    skipped_count: usize,
}

/// Why a ring has no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// The named key has another algorithm than the token.
    Algorithm,
    /// No key of that name, or no name and more than one candidate.
    Unknown,
}

#[derive(Deserialize)]
struct KeySetDocument {
    keys: Vec<Value>,
}

impl KeyRing {
    /// Takes the usable keys of a set. Keys for other purposes or algorithms are skipped and
    /// counted, as RFC 7517, section 5 asks.
    pub(super) fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        let document: KeySetDocument = serde_json::from_slice(text)?;
        let keys_count = document.keys.len();
        if keys_count > KEYS_MAX {
            return Err(KeySetError::TooMany { keys_count, keys_max: KEYS_MAX });
        }
        let mut ring = Self::default();
        for jwk in document.keys {
            match Key::new(jwk) {
                // Listed twice, a key would be two candidates.
                Some(key) if !ring.keys.iter().any(|known| known.is_same(&key)) => {
                    ring.keys.push(Arc::new(key));
                }
                _ => ring.skipped_count += 1,
            }
        }
        if ring.keys.is_empty() {
            return Err(KeySetError::NothingUsable { keys_count });
        }
        Ok(ring)
    }

    /// Finds the one key for a token. A token without key id is verified only where there is one
    /// key of its algorithm: trying several would multiply the work that a forged token causes.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<Arc<Key>, Miss> {
        let named = |key: &&Arc<Key>| kid.is_none() || key.id.as_deref() == kid;
        let mut fitting = self.keys.iter().filter(named).filter(|key| key.algorithm == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(Arc::clone(key)),
            (None, _) if self.keys.iter().any(|key| named(&key)) => Err(Miss::Algorithm),
            _ => Err(Miss::Unknown),
        }
    }

    /// Takes over the keys that `old` has too, so that what they verified stays valid.
    pub(super) fn succeeding(mut self, old: &Self) -> Self {
        for key in &mut self.keys {
            if let Some(known) = old.keys.iter().find(|known| known.is_same(key)) {
                *key = Arc::clone(known);
            }
        }
        self
    }

    /// Ends everything that keys verified which `successor` has not taken over.
    pub(super) fn withdraw_all_but(&self, successor: &Self) {
        let withdrawn = |key: &&Arc<Key>| !successor.keys.iter().any(|kept| Arc::ptr_eq(kept, key));
        for key in self.keys.iter().filter(withdrawn) {
            key.withdrawn.store(true, Ordering::Release);
        }
    }

    pub(super) fn keys_count(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn skipped_count(&self) -> usize {
        self.skipped_count
    }
}

/// A public key with the one algorithm that it is used for.
pub(super) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    parameters: AlgorithmParameters,
    material: DecodingKey,
    validation: Validation,
    withdrawn: AtomicBool,
}

impl Key {
    fn new(jwk: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let is_for_signatures =
            jwk.common.public_key_use.as_ref().is_none_or(|is| *is == PublicKeyUse::Signature);
        let verifies = |is: &Vec<KeyOperations>| is.contains(&KeyOperations::Verify);
        let algorithm = algorithm(&jwk.algorithm)?;
        let is_for_algorithm =
            jwk.common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
        if !is_for_signatures
            || !jwk.common.key_operations.as_ref().is_none_or(verifies)
            || !is_for_algorithm
        {
            return None;
        }
        let material = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self {
            id: jwk.common.key_id,
            algorithm,
            parameters: jwk.algorithm,
            material,
            validation: signature_only(algorithm),
            withdrawn: AtomicBool::new(false),
        })
    }

    /// The claims of a token, if this key signed it.
    pub(super) fn verify(&self, token: &[u8]) -> Result<Map<String, Value>, Reason> {
        let verified = decode(token, &self.material, &self.validation);
        verified.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => Reason::Signature,
            ErrorKind::InvalidAlgorithm => Reason::Algorithm,
            _ => Reason::Malformed,
        })
    }

    /// Whether the issuer has taken the key back.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
            && self.algorithm == other.algorithm
            && self.parameters == other.parameters
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .field("withdrawn", &self.withdrawn)
            .finish_non_exhaustive()
    }
}

/// The algorithm that a key's type decides. None for types and sizes that are not used here.
fn algorithm(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(rsa) => {
            RSA_MODULUS_BYTES.contains(&decoded_bytes(&rsa.n)?).then_some(Algorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            let are_coordinates = decoded_bytes(&ec.x)? == CURVE_POINT_BYTES
                && decoded_bytes(&ec.y)? == CURVE_POINT_BYTES;
            are_coordinates.then_some(Algorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
            (decoded_bytes(&okp.x)? == CURVE_POINT_BYTES).then_some(Algorithm::EdDSA)
        }
        _ => None,
    }
}

fn decoded_bytes(base64url: &str) -> Option<usize> {
    BASE64_URL_SAFE_NO_PAD.decode(base64url).ok().map(|bytes| bytes.len())
}

/// The library checks the signature; claims are checked by our own clock.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}
