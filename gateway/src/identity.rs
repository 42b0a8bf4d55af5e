//! Who calls: verifies the credential of a request against a configured source.
//!
//! A verified token is remembered by its hash, so that the next request with it costs a lookup.
//! What is remembered ends with the token, and at once when its key is withdrawn.

mod api_keys;
mod authorize;
mod claims;
mod credential;
mod denied;
mod fetch;
mod key_ring;
mod key_store;
mod refresh;
#[cfg(test)]
pub(crate) mod testing;
mod token;
mod verified;

use std::sync::Arc;

use headgate_telemetry::IdentityMetrics;
use headgate_types::{Clock, Identity, Moment, UnixTime};
use http::HeaderMap;
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};

pub use crate::identity::authorize::{Lacking, authorize};
pub use crate::identity::denied::{Denied, Error, KeySetError, Reason};
pub use crate::identity::fetch::{Fetch, FetchError, FetchKeys, HttpFetch};
pub use crate::identity::key_store::SourceStatus;
pub use crate::identity::verified::Verified;
use crate::{
    identity::{
        api_keys::ApiKeyList,
        key_store::KeyStore,
        token::TokenSource,
        verified::{CACHE_BYTES_MAX, CacheKey, VerifiedCache},
    },
    settings::{IdentityKind, IdentitySource},
};

/// Verifies credentials against the configured sources, which it knows by their index.
#[derive(Debug)]
pub struct Authenticator {
    sources: Vec<Source>,
    cache: VerifiedCache,
    clock: Arc<dyn Clock>,
    fetch: Arc<dyn FetchKeys>,
    /// By source; empty when nobody counts.
    metrics: Vec<IdentityMetrics>,
}

#[derive(Debug)]
enum Source {
    Token(Box<TokenSource>),
    ApiKeys(ApiKeyList),
}

impl Authenticator {
    /// Prepares every source. Keys from a file are parsed here; keys from a URL are there once
    /// [`Self::run`] has fetched them.
    ///
    /// # Errors
    ///
    /// [`Error`] names the source whose key set does not parse or holds no key that can be used.
    pub fn new(
        sources: &[IdentitySource],
        clock: Arc<dyn Clock>,
        fetch: Arc<dyn FetchKeys>,
    ) -> Result<Self, Error> {
        let sources = sources.iter().map(Source::new).collect::<Result<_, _>>()?;
        let cache = VerifiedCache::new(CACHE_BYTES_MAX);
        Ok(Self { sources, cache, clock, fetch, metrics: Vec::new() })
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
    pub fn cached(
        &self,
        source: usize,
        headers: &HeaderMap,
    ) -> Option<Result<Arc<Verified>, Denied>> {
        let decided = self.remembered(source, headers)?;
        match &decided {
            Ok(_) => self.count(source, IdentityMetrics::cache_hit),
            Err(denied) => self.count_denied(source, *denied),
        }
        Some(decided)
    }

    fn remembered(
        &self,
        source: usize,
        headers: &HeaderMap,
    ) -> Option<Result<Arc<Verified>, Denied>> {
        let tokens = match self.sources.get(source)? {
            Source::ApiKeys(keys) => return Some(keys.find(headers, self.clock.unix_time())),
            Source::Token(tokens) => tokens,
        };
        let token = match credential::bearer(headers) {
            Ok(token) => token,
            Err(denied) => return Some(Err(denied)),
        };
        let key = CacheKey::new(source, token);
        let verified = self.cache.get(&key)?;
        if !verified.is_vouched_for() || !tokens.keys.are_good(self.clock.now()) {
            self.cache.remove(&key);
            return None;
        }
        Some(verified.in_time(self.clock.unix_time()).map(|()| verified).map_err(Denied::Invalid))
    }

    /// Verifies the credential that a request carries for a source.
    ///
    /// A token of an unknown key may have the keys fetched again, within the source's budget; the
    /// wait for that is bounded.
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
        headers: &HeaderMap,
    ) -> Result<Arc<Verified>, Denied> {
        if let Some(decided) = self.cached(source, headers) {
            return decided;
        }
        self.count(source, IdentityMetrics::cache_missed);
        let verified = self.verify(source, headers).await;
        verified.inspect_err(|denied| self.count_denied(source, *denied))
    }

    async fn verify(&self, source: usize, headers: &HeaderMap) -> Result<Arc<Verified>, Denied> {
        let Some(Source::Token(tokens)) = self.sources.get(source) else {
            return Err(Denied::KeysUnavailable);
        };
        let token = credential::bearer(headers)?;
        let verified = Arc::new(tokens.verify(token, &*self.clock).await?);
        self.cache.insert(CacheKey::new(source, token), Arc::clone(&verified));
        Ok(verified)
    }

    /// Verifies whatever credential a request carries, against each source in order. None when no
    /// source vouches for it.
    pub async fn identify(&self, headers: &HeaderMap) -> Option<Arc<Verified>> {
        let remembered = |source| self.remembered(source, headers).and_then(Result::ok);
        if let Some(verified) = (0..self.sources.len()).find_map(remembered) {
            return Some(verified);
        }
        for source in 0..self.sources.len() {
            if let Ok(verified) = self.verify(source, headers).await {
                return Some(verified);
            }
        }
        None
    }

    /// Keeps the keys of every URL fresh, and fetches them when a request asks, until `shutdown`
    /// holds true or its sender is gone.
    pub async fn run(self: Arc<Self>, shutdown: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for source in 0..self.sources.len() {
            let (this, shutdown) = (Arc::clone(&self), shutdown.clone());
            tasks.spawn(async move {
                if let Some(keys) = this.keys(source) {
                    let ended = |is_good| this.count(source, |metrics| fetched(metrics, is_good));
                    refresh::keep_fresh(keys, &*this.fetch, &*this.clock, shutdown, ended).await;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "key refresh ended");
            }
        }
    }

    /// The state of each source, in the order of the settings.
    pub fn status(&self) -> Vec<SourceStatus> {
        let now = self.clock.now();
        self.sources.iter().map(|source| source.status(now)).collect()
    }

    fn keys(&self, source: usize) -> Option<&KeyStore> {
        match self.sources.get(source)? {
            Source::Token(tokens) => Some(&tokens.keys),
            Source::ApiKeys(_) => None,
        }
    }
}

fn fetched(metrics: &IdentityMetrics, is_good: bool) {
    if is_good {
        metrics.keys_fetched();
    } else {
        metrics.keys_fetch_failed();
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
        let name = Arc::clone(&settings.name);
        Ok(match &settings.kind {
            IdentityKind::Jwt(jwt) => Self::Token(Box::new(TokenSource::new(name, jwt)?)),
            IdentityKind::ApiKeys(keys) => Self::ApiKeys(ApiKeyList::new(&name, keys)?),
        })
    }

    fn status(&self, now: Moment) -> SourceStatus {
        match self {
            Self::Token(tokens) => tokens.keys.status(now),
            Self::ApiKeys(keys) => keys.status(),
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
