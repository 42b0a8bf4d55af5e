//! Verifies bearer tokens: JSON Web Tokens (RFC 7519), signed (RFC 7515).

use std::sync::Arc;

use headgate_types::{Clock, Moment, Strength};
use jsonwebtoken::{Header, dangerous::insecure_decode_claims, decode_header};
use serde_json::{Map, Value};

use crate::{
    identity::{
        Denied, Error, Reason,
        claims::{self, Demands},
        key_ring::{ALGORITHMS, Key},
        key_store::{KeyStore, NoKey},
        verified::{Proof, Verified},
    },
    settings::Jwt,
};

/// A source that verifies bearer tokens.
#[derive(Debug)]
pub(super) struct TokenSource {
    name: Arc<str>,
    demands: Jwt,
    pub(super) keys: KeyStore,
}

impl TokenSource {
    pub(super) fn new(name: Arc<str>, settings: &Jwt) -> Result<Self, Error> {
        let keys = KeyStore::new(Arc::clone(&name), settings)
            .map_err(|cause| Error::Keys { source_name: Arc::clone(&name), cause })?;
        Ok(Self { name, demands: settings.clone(), keys })
    }

    /// Verifies a token: its key, then its signature, then its claims.
    pub(super) async fn verify(&self, token: &[u8], clock: &dyn Clock) -> Result<Verified, Denied> {
        let header = acceptable_header(token)?;
        let key = self.key_for(token, &header, clock).await?;
        let claims = key.verify(token)?;
        let validity = claims::check(&claims, &self.demands(), clock.unix_time())?;
        let device_id_claim = self.demands.device_id_claim.as_deref();
        let vouched = (Arc::clone(&self.name), Strength::SignedToken);
        let identity = claims::identity(vouched, claims, device_id_claim, validity.expires_at())?;
        let proof = Proof {
            key: Some(key),
            not_before: validity.not_before(),
            ends_at: validity.ends_at(),
            credential_bytes: token.len(),
            ..Proof::default()
        };
        Ok(Verified::new(identity, proof))
    }

    async fn key_for(
        &self,
        token: &[u8],
        header: &Header,
        clock: &dyn Clock,
    ) -> Result<Arc<Key>, Denied> {
        match self.find(header, clock.now()) {
            Err(NoKey::Stale) => {}
            // A set fetched again would not name the key of a token that names none.
            Err(NoKey::Unknown) if header.kid.is_some() => {}
            found => return found.map_err(|no_key| self.refusal(no_key)),
        }
        // Claims that would be refused anyway, verified or not, are not worth a fetch: tokens of
        // another environment must not use up the budget.
        let claims: Map<String, Value> =
            insecure_decode_claims(token).map_err(|_| Reason::Malformed)?;
        claims::check(&claims, &self.demands(), clock.unix_time())?;
        self.keys.refetch(clock.now()).await;
        self.find(header, clock.now()).map_err(|no_key| self.refusal(no_key))
    }

    fn demands(&self) -> Demands<'_> {
        Demands {
            issuer: self.demands.issuer.as_deref(),
            audience: self.demands.audience.as_deref(),
            leeway: self.demands.leeway,
            is_end_needed: true,
        }
    }

    fn find(&self, header: &Header, now: Moment) -> Result<Arc<Key>, NoKey> {
        self.keys.find(header.kid.as_deref(), header.alg, now)
    }

    fn refusal(&self, no_key: NoKey) -> Denied {
        match no_key {
            NoKey::Algorithm => Reason::Algorithm.into(),
            // While the keys can't be fetched, a new key is indistinguishable from a forged name.
            NoKey::Unknown if self.keys.are_current() => Reason::UnknownKey.into(),
            NoKey::Unknown | NoKey::Stale => Denied::KeysUnavailable,
        }
    }
}

/// The header of a token that may be worth verifying. Keys that a header brings or points to
/// (`jwk`, `jku`, `x5c`, `x5u`) are never used.
fn acceptable_header(token: &[u8]) -> Result<Header, Reason> {
    let header = decode_header(token).map_err(|_| Reason::Malformed)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Reason::Algorithm);
    }
    // Extensions that must be understood (RFC 7515, section 4.1.11), and none is.
    if header.crit.is_some() {
        return Err(Reason::Malformed);
    }
    Ok(header)
}
