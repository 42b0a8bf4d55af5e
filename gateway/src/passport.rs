//! The Passport: signs the verified identity for one upstream, as a short-lived JWT.
//!
//! A Passport serves all requests of one credential on one route for as long as enough of its
//! life is left, so that a signature is not made per request.

mod file;
mod mint_keys;
mod rotation;
mod signer;

use std::{
    hash::{Hash, Hasher},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use headgate_telemetry::EdgeMetrics;
use headgate_types::{Clock, Identity, Passport, TraceId, UnixTime};
use http::HeaderValue;
use parking_lot::Mutex;
use quick_cache::{Equivalent, Weighter, sync::Cache};

pub use crate::passport::{
    file::FileError,
    rotation::{RotateError, Rotated},
};
use crate::{
    identity::Verified,
    passport::{file::KeyFile, mint_keys::MintKeys},
    settings,
};

/// Bytes that all Passports at hand may take.
const CACHE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Passports of the usual size that go into as many bytes.
const CACHE_ENTRIES: usize = 60_000;

/// Bytes that a Passport at hand takes besides its text.
const ENTRY_BYTES: u64 = 512;

/// The part of its life, as a divisor, that a Passport must have left to be sent once more. With
/// 60 s an upstream gets one that is good for at least 20 s.
const LIFE_LEFT_DIVISOR: u32 = 3;

/// Bytes of a Passport's own identifier, drawn at random.
const JTI_BYTES: usize = 16;

/// For whom and on what occasion a Passport is wanted.
#[derive(Clone, Copy, Debug)]
pub struct PassportFor<'a> {
    /// The team that owns the route.
    pub team: &'a str,
    /// The route's name.
    pub route: &'a str,
    /// The upstream, as `team/name`: the audience.
    pub upstream: &'a str,
    /// The class of the calling device.
    pub device: &'a str,
    /// The trace of the request at hand.
    pub trace: TraceId,
}

/// A mint that can't be set up, or a Passport that can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A life of less than a second: a JWT counts in seconds.
    #[error("a Passport can't last less than a second")]
    TtlTooShort,
    /// Keys that end before the Passports that they signed.
    #[error("a signing key can't be used for less time than a Passport lasts")]
    RotatesTooFast,
    /// The file of private keys can't be used.
    #[error("Passport keys in {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: FileError,
    },
    /// The cryptographic library failed; most often for want of random numbers.
    #[error("can't make or use a key")]
    Crypto,
}

/// Makes Passports and publishes the keys to verify them.
///
/// A key is published for one whole period before it signs and until its last Passport has ended,
/// so that an upstream which reads the keys once a period verifies every Passport.
#[derive(Debug)]
pub struct Mint {
    issuer: String,
    ttl: Duration,
    rotate_every: Duration,
    keys: ArcSwap<MintKeys>,
    /// Since when the next key has been published by this process. Held while keys turn, so that
    /// one turn follows the other.
    next_since: Mutex<UnixTime>,
    file: Option<KeyFile>,
    cache: Cache<At, Signed, ByBytes>,
    clock: Arc<dyn Clock>,
    /// None when nobody counts.
    metrics: Option<EdgeMetrics>,
}

/// A Passport at hand.
#[derive(Clone, Debug)]
struct Signed {
    value: HeaderValue,
    expires_at: UnixTime,
}

impl Mint {
    /// Takes the keys from their folder, or makes new ones.
    ///
    /// # Errors
    ///
    /// [`Error`] when the settings contradict each other or the file of keys can't be read,
    /// written or understood.
    pub fn new(settings: &settings::Passport, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        if settings.ttl < Duration::from_secs(1) {
            return Err(Error::TtlTooShort);
        }
        if settings.rotate_every < settings.ttl {
            return Err(Error::RotatesTooFast);
        }
        let file = settings.keys_dir.as_deref().map(KeyFile::in_folder);
        let kept = match &file {
            Some(file) => file.read().map_err(|cause| file.error(cause))?,
            None => None,
        };
        let turns_at = clock.unix_time() + settings.rotate_every;
        let keys = match kept {
            // A shorter period holds for the kept key too.
            Some(keys) => MintKeys { turns_at: keys.turns_at.min(turns_at), ..keys },
            None => MintKeys::new(turns_at)?,
        };
        if let Some(file) = &file {
            file.write(&keys).map_err(|cause| file.error(cause))?;
        }
        Ok(Self {
            issuer: settings.issuer.clone(),
            ttl: settings.ttl,
            rotate_every: settings.rotate_every,
            keys: ArcSwap::from_pointee(keys),
            next_since: Mutex::new(clock.unix_time()),
            file,
            cache: Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES_MAX, ByBytes),
            clock,
            metrics: None,
        })
    }

    /// Counts each Passport that is signed.
    #[must_use]
    pub fn counting(self, metrics: EdgeMetrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The Passport of a verified caller, ready to be sent. Signs only when none is at hand, or
    /// too little of its life is left.
    ///
    /// It ends with the caller's own credential if that comes first.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`], which should not happen.
    pub fn passport(
        &self,
        verified: &Verified,
        to: &PassportFor<'_>,
    ) -> Result<HeaderValue, Error> {
        let now = self.clock.unix_time();
        let ends_at = self.ends_at(verified, now);
        let wanted = Wanted { serial: verified.serial(), to };
        if let Some(signed) = self.cache.get(&wanted)
            && self.is_fresh(&signed, ends_at, now)
        {
            return Ok(signed.value);
        }
        let signed = self.sign(&verified.identity, to, now, ends_at)?;
        self.cache.insert(At::from(&wanted), signed.clone());
        Ok(signed.value)
    }

    /// The public keys as a JSON Web Key Set: the one that signs, the one that signs next, and
    /// those whose Passports have not all ended.
    pub fn jwks(&self) -> String {
        self.keys.load().to_jwks(self.clock.unix_time())
    }

    /// When a Passport that is signed at `now` ends: after its ttl, but not later than the
    /// credential. One that is honored past its end, within the leeway, ends with the leeway:
    /// otherwise the upstream would refuse whom the edge lets in.
    fn ends_at(&self, verified: &Verified, now: UnixTime) -> UnixTime {
        let own_end = verified.identity.expires_at.filter(|end| *end > now);
        let credential_ends_at = own_end.or(verified.ends_at());
        credential_ends_at.map_or(now + self.ttl, |end| end.min(now + self.ttl))
    }

    fn is_fresh(&self, signed: &Signed, ends_at: UnixTime, now: UnixTime) -> bool {
        // One that ends with the credential can't be had with a later end.
        let is_last = ends_at.as_secs() <= signed.expires_at.as_secs();
        let left = signed.expires_at.since(now);
        !left.is_zero() && (is_last || left > self.ttl / LIFE_LEFT_DIVISOR)
    }

    fn sign(
        &self,
        identity: &Identity,
        to: &PassportFor<'_>,
        now: UnixTime,
        ends_at: UnixTime,
    ) -> Result<Signed, Error> {
        if let Some(metrics) = &self.metrics {
            metrics.passport_signed();
        }
        let mut jti = [0; JTI_BYTES];
        aws_lc_rs::rand::fill(&mut jti).map_err(|_| Error::Crypto)?;
        let passport = Passport {
            iss: self.issuer.clone(),
            aud: to.upstream.to_owned(),
            sub: (*identity.subject).to_owned(),
            device_id: (*identity.device_id).to_owned(),
            device: to.device.to_owned(),
            source: (*identity.source).to_owned(),
            strength: identity.strength.as_str().to_owned(),
            scopes: identity.scopes.clone(),
            route: format!("{}/{}", to.team, to.route),
            trace: to.trace.to_string(),
            iat: now.as_secs(),
            exp: ends_at.as_secs(),
            jti: BASE64_URL_SAFE_NO_PAD.encode(jti),
        };
        let token = self.keys.load().current.sign(&passport)?;
        // Base64url and dots are fit for a header.
        let mut value =
            HeaderValue::from_maybe_shared(Bytes::from(token)).map_err(|_| Error::Crypto)?;
        value.set_sensitive(true);
        Ok(Signed { value, expires_at: UnixTime::from_secs(passport.exp) })
    }
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<At, Signed> for ByBytes {
    fn weight(&self, _: &At, signed: &Signed) -> u64 {
        ENTRY_BYTES + signed.value.len() as u64
    }
}

/// What a Passport at hand is found by, borrowed: looking for one allocates nothing.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    serial: u64,
    to: &'a PassportFor<'a>,
}

/// What a Passport at hand is found by, owned.
#[derive(Debug, PartialEq, Eq)]
struct At {
    serial: u64,
    team: Box<str>,
    route: Box<str>,
    upstream: Box<str>,
    device: Box<str>,
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.serial, self.to.team, self.to.route, self.to.upstream, self.to.device).hash(state);
    }
}

impl Hash for At {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.serial, &self.team, &self.route, &self.upstream, &self.device).hash(state);
    }
}

impl Equivalent<At> for Wanted<'_> {
    fn equivalent(&self, at: &At) -> bool {
        self.serial == at.serial
            && *self.to.team == *at.team
            && *self.to.route == *at.route
            && *self.to.upstream == *at.upstream
            && *self.to.device == *at.device
    }
}

impl From<&Wanted<'_>> for At {
    fn from(wanted: &Wanted<'_>) -> Self {
        Self {
            serial: wanted.serial,
            team: wanted.to.team.into(),
            route: wanted.to.route.into(),
            upstream: wanted.to.upstream.into(),
            device: wanted.to.device.into(),
        }
    }
}

#[cfg(test)]
mod tests;
