//! Who calls: verifies the credential of a request against a configured source.
//!
//! A verified token is remembered by its hash, so that the next request with it costs a lookup.
//! What is remembered ends with the token, and at once when its key is withdrawn.

mod api_keys;
mod authorize;
mod certificate;
mod claims;
mod credential;
mod denied;
mod fetch;
mod introspection;
mod key_ring;
mod key_store;
mod refresh;
mod refreshes;
#[cfg(test)]
pub(crate) mod testing;
mod token;
mod verified;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use headgate_telemetry::IdentityMetrics;
use headgate_types::{Clock, Identity, Moment, UnixTime};
use serde_json::Value;

pub use crate::identity::authorize::{Lacking, authorize};
pub use crate::identity::certificate::{ClientCertificate, Clients, ClientsError};
pub use crate::identity::credential::Credentials;
pub use crate::identity::denied::{Denied, Error, KeySetError, Reason};
pub use crate::identity::fetch::{Fetch, FetchError, FetchKeys, HttpFetch};
pub use crate::identity::key_store::SourceStatus;
pub(crate) use crate::identity::refreshes::Refreshes;
pub use crate::identity::verified::Verified;
use crate::{
    identity::{
        api_keys::ApiKeyList,
        certificate::CertificateSource,
        introspection::IntrospectionSource,
        token::TokenSource,
        verified::{CACHE_BYTES_MAX, CacheKey, VerifiedCache},
    },
    settings::{IdentityKind, IdentitySource},
};

/// Verifies credentials against the configured sources, which it knows by their index.
#[derive(Debug)]
pub struct Authenticator {
    sources: Vec<Arc<Source>>,
    cache: Arc<VerifiedCache>,
    clock: Arc<dyn Clock>,
    fetch: Arc<dyn FetchKeys>,
    /// By source; empty when nobody counts.
    metrics: Vec<IdentityMetrics>,
}

/// A source, with everything that it has learnt.
#[derive(Debug)]
struct Source {
    /// Unique in this process, so that what a replaced source has verified is never taken for its
    /// successor's.
    id: u64,
    settings: IdentitySource,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Token(Box<TokenSource>),
    ApiKeys(ApiKeyList),
    Certificate(CertificateSource),
    Introspection(Box<IntrospectionSource>),
}

/// In the place of a source's id: what is remembered of callers whom no source knows.
const ANONYMOUS: u64 = u64::MAX;

impl Authenticator {
    /// Prepares every source. Keys from a file are parsed here; keys from a URL are there once
    /// [`Edge::keep_keys_fresh`](crate::Edge::keep_keys_fresh) has fetched them.
    ///
    /// # Errors
    ///
    /// [`Error`] names the source whose key set does not parse or holds no key that can be used.
    pub fn new(
        sources: &[IdentitySource],
        clock: Arc<dyn Clock>,
        fetch: Arc<dyn FetchKeys>,
    ) -> Result<Self, Error> {
        let source = |one| Source::new(one).map(Arc::new);
        let sources = sources.iter().map(source).collect::<Result<_, _>>()?;
        let cache = Arc::new(VerifiedCache::new(CACHE_BYTES_MAX));
        Ok(Self { sources, cache, clock, fetch, metrics: Vec::new() })
    }

    /// Prepares the sources that follow these: one that is configured as before keeps its keys and
    /// what it has verified.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn successor(&self, sources: &[IdentitySource]) -> Result<Self, Error> {
        let source =
            |one: &IdentitySource| match self.sources.iter().find(|before| before.settings == *one)
            {
                Some(before) => Ok(Arc::clone(before)),
                None => Source::new(one).map(Arc::new),
            };
        let sources = sources.iter().map(source).collect::<Result<_, _>>()?;
        Ok(Self {
            sources,
            cache: Arc::clone(&self.cache),
            clock: Arc::clone(&self.clock),
            fetch: Arc::clone(&self.fetch),
            metrics: Vec::new(),
        })
    }

    /// Which of these sources another one has taken over.
    #[cfg(test)]
    pub(crate) fn is_kept_by(&self, other: &Self) -> Vec<bool> {
        let is_kept = |one: &Arc<Source>| other.sources.iter().any(|two| two.id == one.id);
        self.sources.iter().map(is_kept).collect()
    }

    /// Counts what each source decides and fetches, in the order of the settings.
    #[must_use]
    pub fn counting(self, metrics: Vec<IdentityMetrics>) -> Self {
        Self { metrics, ..self }
    }

    fn count(&self, source: usize, count: impl FnOnce(&IdentityMetrics)) {
        if let Some(metrics) = self.metrics.get(source) {
            count(metrics);
        }
    }

    fn count_denied(&self, source: usize, denied: Denied) {
        self.count(source, |metrics| metrics.denied(denied.into()));
    }

    /// Checks that a caller may do what a route demands of callers of this source.
    ///
    /// # Errors
    ///
    /// [`Lacking`] names the first demand that is not met.
    pub fn authorize<'a>(
        &self,
        source: usize,
        identity: &Identity,
        scopes: &'a [String],
        claims: &'a [(String, Value)],
    ) -> Result<(), Lacking<'a>> {
        authorize(identity, scopes, claims).inspect_err(|lacking| {
            self.count(source, |metrics| metrics.denied((*lacking).into()));
        })
    }

    /// Decides from memory: what a source has verified before and what it can refuse at sight.
    /// None means that only [`Self::authenticate`] can tell.
    pub fn cached<'a>(
        &self,
        source: usize,
        shown: impl Into<Credentials<'a>>,
    ) -> Option<Result<Arc<Verified>, Denied>> {
        let decided = self.remembered(source, shown.into())?;
        match &decided {
            Ok(_) => self.count(source, IdentityMetrics::cache_hit),
            Err(denied) => self.count_denied(source, *denied),
        }
        Some(decided)
    }

    fn remembered(
        &self,
        source: usize,
        shown: Credentials<'_>,
    ) -> Option<Result<Arc<Verified>, Denied>> {
        let source = self.sources.get(source)?;
        let now = self.clock.unix_time();
        match &source.kind {
            Kind::ApiKeys(keys) => return Some(keys.find(shown.headers, now)),
            Kind::Certificate(own) => return Some(own.find((source.id, &self.cache), shown, now)),
            Kind::Token(_) | Kind::Introspection(_) => {}
        }
        let token = match credential::bearer(shown.headers) {
            Ok(token) => token,
            Err(denied) => return Some(Err(denied)),
        };
        let key = CacheKey::new(source.id, token);
        if let Kind::Introspection(own) = &source.kind
            && own.has_refused(&key, self.clock.now())
        {
            return Some(Err(Reason::Inactive.into()));
        }
        let verified = self.cache.get(&key)?;
        let is_good = match &source.kind {
            Kind::Token(tokens) => tokens.keys.are_good(self.clock.now()),
            _ => !verified.is_to_be_asked_again(now),
        };
        if !is_good || !verified.is_vouched_for() {
            self.cache.remove(&key);
            return None;
        }
        Some(verified.in_time(now).map(|()| verified).map_err(Denied::Invalid))
    }

    /// Verifies the credential that a request carries for a source.
    ///
    /// A token of an unknown key may have the keys fetched again, within the source's budget, and
    /// an opaque one has its server asked; the wait for that is bounded.
    ///
    /// # Errors
    ///
    /// [`Denied`] when there is no good credential, or no way to tell.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses this verification only; a fetch that it asked for goes on.
    pub async fn authenticate(
        &self,
        source: usize,
        shown: impl Into<Credentials<'_>>,
    ) -> Result<Arc<Verified>, Denied> {
        let shown = shown.into();
        if let Some(decided) = self.cached(source, shown) {
            return decided;
        }
        self.count(source, IdentityMetrics::cache_missed);
        let verified = self.verify(source, shown).await;
        verified.inspect_err(|denied| self.count_denied(source, *denied))
    }

    async fn verify(&self, source: usize, shown: Credentials<'_>) -> Result<Arc<Verified>, Denied> {
        let source = self.sources.get(source).ok_or(Denied::KeysUnavailable)?;
        let token = credential::bearer(shown.headers)?;
        let key = CacheKey::new(source.id, token);
        match &source.kind {
            Kind::Token(tokens) => {
                let verified = Arc::new(tokens.verify(token, &*self.clock).await?);
                self.cache.insert(key, Arc::clone(&verified));
                Ok(verified)
            }
            Kind::Introspection(own) => {
                own.ask((key, token), &self.cache, &*self.fetch, &*self.clock).await
            }
            // These are decided from memory, always.
            Kind::ApiKeys(_) | Kind::Certificate(_) => Err(Denied::KeysUnavailable),
        }
    }

    /// Verifies whatever credential a request carries, against each source in order. None when no
    /// source vouches for it.
    pub async fn identify(&self, shown: impl Into<Credentials<'_>>) -> Option<Arc<Verified>> {
        let shown = shown.into();
        let remembered = |source| self.remembered(source, shown).and_then(Result::ok);
        if let Some(verified) = (0..self.sources.len()).find_map(remembered) {
            return Some(verified);
        }
        for source in 0..self.sources.len() {
            if let Ok(verified) = self.verify(source, shown).await {
                return Some(verified);
            }
        }
        None
    }

    /// The caller whom no source knows, as one at a client's address: each address is one caller,
    /// with a subject of its own that tells nothing but that it is the same.
    pub fn anonymous(&self, address: u64) -> Arc<Verified> {
        let key = CacheKey::new(ANONYMOUS, &address.to_be_bytes());
        self.cache.get(&key).unwrap_or_else(|| {
            let verified = Arc::new(Verified::anonymous(address));
            self.cache.insert(key, Arc::clone(&verified));
            verified
        })
    }

    /// The state of each source, in the order of the settings.
    pub fn status(&self) -> Vec<SourceStatus> {
        let now = self.clock.now();
        self.sources.iter().map(|source| source.status(now)).collect()
    }
}

/// Checks that a source can be set up, as [`Authenticator::new`] would.
///
/// # Errors
///
/// [`Error`] when its key set does not parse or holds no key that can be used.
pub fn check(source: &IdentitySource) -> Result<(), Error> {
    Source::new(source).map(drop)
}

impl Source {
    fn new(settings: &IdentitySource) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = Arc::clone(&settings.name);
        let kind = match &settings.kind {
            IdentityKind::Jwt(jwt) => Kind::Token(Box::new(TokenSource::new(name, jwt)?)),
            IdentityKind::ApiKeys(keys) => Kind::ApiKeys(ApiKeyList::new(&name, keys)?),
            IdentityKind::Certificate(by) => Kind::Certificate(CertificateSource::new(name, *by)),
            IdentityKind::Introspection(own) => {
                Kind::Introspection(Box::new(IntrospectionSource::new(name, own)))
            }
        };
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, settings: settings.clone(), kind })
    }

    fn status(&self, now: Moment) -> SourceStatus {
        match &self.kind {
            Kind::Token(tokens) => tokens.keys.status(now),
            Kind::ApiKeys(keys) => keys.status(),
            Kind::Certificate(own) => SourceStatus::without_keys(own.name()),
            Kind::Introspection(own) => own.status(),
        }
    }
}

/// Whether a proof with these ends holds at `now`.
fn in_time(
    not_before: Option<UnixTime>,
    ends_at: Option<UnixTime>,
    now: UnixTime,
) -> Result<(), Reason> {
    if ends_at.is_some_and(|end| now >= end) {
        return Err(Reason::Expired);
    }
    if not_before.is_some_and(|start| now < start) {
        return Err(Reason::NotYet);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
