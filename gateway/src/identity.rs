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

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use headgate_telemetry::IdentityMetrics;
use headgate_types::{Clock, Identity, Moment, UnixTime};
use http::HeaderMap;
use serde_json::Value;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};

pub use crate::identity::authorize::{Lacking, authorize};
pub use crate::identity::denied::{Denied, Error, KeySetError, Reason};
pub use crate::identity::fetch::{Fetch, FetchError, FetchKeys, HttpFetch};
pub use crate::identity::key_store::SourceStatus;
pub use crate::identity::verified::Verified;
use crate::{
    identity::{
        api_keys::ApiKeyList,
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
}

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
        let source = self.sources.get(source)?;
        let tokens = match &source.kind {
            Kind::ApiKeys(keys) => return Some(keys.find(headers, self.clock.unix_time())),
            Kind::Token(tokens) => tokens,
        };
        let token = match credential::bearer(headers) {
            Ok(token) => token,
            Err(denied) => return Some(Err(denied)),
        };
        let key = CacheKey::new(source.id, token);
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
        let source = self.sources.get(source).ok_or(Denied::KeysUnavailable)?;
        let Kind::Token(tokens) = &source.kind else { return Err(Denied::KeysUnavailable) };
        let token = credential::bearer(headers)?;
        let verified = Arc::new(tokens.verify(token, &*self.clock).await?);
        self.cache.insert(CacheKey::new(source.id, token), Arc::clone(&verified));
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

    /// The state of each source, in the order of the settings.
    pub fn status(&self) -> Vec<SourceStatus> {
        let now = self.clock.now();
        self.sources.iter().map(|source| source.status(now)).collect()
    }
}

/// The tasks that keep the keys of URLs fresh, and fetch them when a request asks: one a source,
/// for as long as that is in force.
#[derive(Debug, Default)]
pub(crate) struct Refreshes {
    tasks: JoinSet<()>,
    /// By the source's id.
    running: HashMap<u64, AbortHandle>,
}

impl Refreshes {
    /// Starts the tasks of new sources and ends those of sources that are gone. All of them end
    /// when `shutdown` holds true or its sender is gone, or this is dropped.
    pub(crate) fn follow(&mut self, now: &Authenticator, shutdown: &watch::Receiver<bool>) {
        while self.tasks.try_join_next().is_some() {}
        self.running.retain(|id, task| {
            let stays = now.sources.iter().any(|source| source.id == *id);
            if !stays {
                task.abort();
            }
            stays
        });
        for (index, source) in now.sources.iter().enumerate() {
            if self.running.contains_key(&source.id) {
                continue;
            }
            let (source, fetch) = (Arc::clone(source), Arc::clone(&now.fetch));
            let (clock, shutdown) = (Arc::clone(&now.clock), shutdown.clone());
            let metrics = now.metrics.get(index).cloned();
            let id = source.id;
            let task = self.tasks.spawn(async move {
                let Kind::Token(tokens) = &source.kind else { return };
                let ended = |is_good| {
                    if let Some(metrics) = &metrics {
                        fetched(metrics, is_good);
                    }
                };
                refresh::keep_fresh(&tokens.keys, &*fetch, &*clock, shutdown, ended).await;
            });
            self.running.insert(id, task);
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
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = Arc::clone(&settings.name);
        let kind = match &settings.kind {
            IdentityKind::Jwt(jwt) => Kind::Token(Box::new(TokenSource::new(name, jwt)?)),
            IdentityKind::ApiKeys(keys) => Kind::ApiKeys(ApiKeyList::new(&name, keys)?),
        };
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, settings: settings.clone(), kind })
    }

    fn status(&self, now: Moment) -> SourceStatus {
        match &self.kind {
            Kind::Token(tokens) => tokens.keys.status(now),
            Kind::ApiKeys(keys) => keys.status(),
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
