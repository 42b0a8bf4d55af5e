//! The keys of one source: how good they are, and who may have them fetched again.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use headgate_types::Moment;
use http::Uri;
use jsonwebtoken::Algorithm;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::timeout,
};

use crate::{
    identity::{
        KeySetError,
        key_ring::{Key, KeyRing, Miss},
    },
    settings::{Jwt, KeySet},
};

/// How long a request waits for a fetch. Shorter than a fetch may take: a slow issuer must not
/// slow down those who call.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Requests of one source that wait for a fetch at a time. The others are told to come again.
pub(super) const WAITERS_MAX: usize = 1024;

/// The first pause after a fetch that failed; each further one is twice as long. No pause is
/// shorter, whatever `refresh` says.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest pause after a fetch that failed, unless `refresh` is shorter.
const BACKOFF_MAX: Duration = Duration::from_mins(1);

/// The part of a pause that is left to chance, as its divisor: edges that started together must
/// not fetch together for ever.
const JITTER_DIVISOR: u32 = 10;

/// What an operator sees of an identity source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// The source's name.
    pub name: Arc<str>,
    /// Keys in use.
    pub keys_count: usize,
    /// Keys of the set that are for other purposes or algorithms, or listed before.
    pub skipped_count: usize,
    /// Time since the keys were fetched. None when they are from a file, or never were.
    pub age: Option<Duration>,
    /// Why the latest fetch failed. None when it did not.
    pub last_error: Option<String>,
    /// Whether credentials can be verified at all.
    pub is_usable: bool,
}

impl SourceStatus {
    /// Of a source that needs no keys.
    pub(super) fn without_keys(name: &Arc<str>) -> Self {
        Self {
            name: Arc::clone(name),
            keys_count: 0,
            skipped_count: 0,
            age: None,
            last_error: None,
            is_usable: true,
        }
    }
}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The named key has another algorithm.
    Algorithm,
    /// No such key.
    Unknown,
    /// The keys are too old to be relied on, or never were fetched.
    Stale,
}

/// The keys of one source.
#[derive(Debug)]
pub(super) struct KeyStore {
    name: Arc<str>,
    ring: ArcSwap<KeyRing>,
    /// Nanoseconds of the [`Moment`] until which the keys can be relied on.
    good_until: AtomicU64,
    remote: Option<Remote>,
}

/// Keys that are fetched.
#[derive(Debug)]
struct Remote {
    uri: Uri,
    refresh: Duration,
    refetch_interval: Duration,
    keep_on_outage: Duration,
    progress: Mutex<Progress>,
    asked: Notify,
    ended: watch::Sender<()>,
    waiters: Semaphore,
}

#[derive(Debug, Default)]
struct Progress {
    /// A fetch runs or was asked for.
    under_way: bool,
    /// When a request last asked for one.
    asked_at: Option<Moment>,
    /// When one last succeeded.
    fetched_at: Option<Moment>,
    /// When the next one is due, asked for or not.
    due_at: Moment,
    /// Failures in a row.
    failures_count: u32,
    last_error: Option<String>,
}

impl KeyStore {
    pub(super) fn new(name: Arc<str>, settings: &Jwt) -> Result<Self, KeySetError> {
        let (ring, good_until, remote) = match &settings.keys {
            KeySet::Text(text) => (KeyRing::parse(text.as_bytes())?, Moment::NEVER, None),
            KeySet::Url(uri) => {
                (KeyRing::default(), Moment::ZERO, Some(Remote::new(uri.clone(), settings)))
            }
        };
        let good_until = AtomicU64::new(good_until.as_nanos());
        Ok(Self { name, ring: ArcSwap::from_pointee(ring), good_until, remote })
    }

    /// Whether the keys can be relied on: from a file always, from a URL until the outage has
    /// lasted too long.
    pub(super) fn are_good(&self, now: Moment) -> bool {
        now.as_nanos() < self.good_until.load(Ordering::Acquire)
    }

    /// Whether the latest fetch succeeded, so that a key that is not here does not exist.
    pub(super) fn are_current(&self) -> bool {
        self.remote.as_ref().is_none_or(|remote| {
            let progress = remote.progress.lock();
            !progress.under_way && progress.failures_count == 0
        })
    }

    pub(super) fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: Moment,
    ) -> Result<Arc<Key>, NoKey> {
        if !self.are_good(now) {
            return Err(NoKey::Stale);
        }
        self.ring.load().find(kid, algorithm).map_err(|miss| match miss {
            Miss::Algorithm => NoKey::Algorithm,
            Miss::Unknown => NoKey::Unknown,
        })
    }

    /// Asks for a fetch and waits for its end, or for the end of the one that is under way.
    /// Returns at once when the budget is spent or too many wait.
    ///
    /// # Cancel safety
    ///
    /// Whoever drops the future stops waiting; the fetch goes on.
    pub(super) async fn refetch(&self, now: Moment) {
        let Some(remote) = &self.remote else { return };
        // Subscribed first, so that an end between asking and waiting is not missed.
        let mut ended = remote.ended.subscribe();
        let Ok(_waiting) = remote.waiters.try_acquire() else { return };
        if remote.ask(now) {
            // Past the wait the caller looks at the keys as they are, whatever came of it.
            drop(timeout(WAIT_MAX, ended.changed()).await);
        }
    }

    /// Where the keys are fetched from. None when they are from a file.
    pub(super) fn uri(&self) -> Option<&Uri> {
        self.remote.as_ref().map(|remote| &remote.uri)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Completes when a fetch was asked for. May do so once more than was asked.
    pub(super) async fn asked(&self) {
        match &self.remote {
            Some(remote) => remote.asked.notified().await,
            None => std::future::pending().await,
        }
    }

    /// How long until the next fetch should start: zero when one was asked for.
    pub(super) fn due_in(&self, now: Moment) -> Duration {
        self.remote.as_ref().map_or(Duration::MAX, |remote| {
            let progress = remote.progress.lock();
            if progress.under_way { Duration::ZERO } else { progress.due_at.since(now) }
        })
    }

    /// Notes that a fetch has begun: requests wait for it instead of asking for another.
    pub(super) fn fetch_began(&self) {
        if let Some(remote) = &self.remote {
            remote.progress.lock().under_way = true;
        }
    }

    /// Puts fetched keys to use, or notes why there are none. Keys that were good stay so for as
    /// long as an outage may last.
    pub(super) fn fetch_ended<E: Display>(&self, now: Moment, fetched: Result<KeyRing, E>) {
        let Some(remote) = &self.remote else { return };
        let mut progress = remote.progress.lock();
        match fetched {
            Ok(ring) => {
                self.replace(ring);
                let good_until = now + remote.refresh + remote.keep_on_outage;
                self.good_until.store(good_until.as_nanos(), Ordering::Release);
                progress.succeeded(now, remote.refresh);
            }
            Err(error) => progress.failed(now, remote.refresh, error.to_string()),
        }
        progress.under_way = false;
        drop(progress);
        remote.ended.send_replace(());
    }

    pub(super) fn status(&self, now: Moment) -> SourceStatus {
        let progress = self.remote.as_ref().map(|remote| remote.progress.lock());
        let fetched_at = progress.as_ref().and_then(|progress| progress.fetched_at);
        let ring = self.ring.load();
        SourceStatus {
            name: Arc::clone(&self.name),
            keys_count: ring.keys_count(),
            skipped_count: ring.skipped_count(),
            age: fetched_at.map(|fetched_at| now.since(fetched_at)),
            last_error: progress.and_then(|progress| progress.last_error.clone()),
            is_usable: self.are_good(now),
        }
    }

    /// Only the refresh loop calls this, so nobody replaces the ring in between.
    fn replace(&self, ring: KeyRing) {
        let old = self.ring.load_full();
        let ring = Arc::new(ring.succeeding(&old));
        self.ring.store(Arc::clone(&ring));
        old.withdraw_all_but(&ring);
    }
}

impl Remote {
    fn new(uri: Uri, settings: &Jwt) -> Self {
        Self {
            uri,
            refresh: settings.refresh,
            refetch_interval: settings.refetch_interval,
            keep_on_outage: settings.keep_on_outage,
            progress: Mutex::default(),
            asked: Notify::new(),
            ended: watch::Sender::default(),
            waiters: Semaphore::new(WAITERS_MAX),
        }
    }

    /// Whether a fetch is worth waiting for: one is under way, or the budget allows one.
    fn ask(&self, now: Moment) -> bool {
        let mut progress = self.progress.lock();
        if progress.under_way {
            return true;
        }
        if progress.asked_at.is_some_and(|last| now.since(last) < self.refetch_interval) {
            return false;
        }
        progress.asked_at = Some(now);
        progress.under_way = true;
        drop(progress);
        self.asked.notify_one();
        true
    }
}

impl Progress {
    fn succeeded(&mut self, now: Moment, refresh: Duration) {
        self.fetched_at = Some(now);
        self.due_at = now + jittered(refresh);
        self.failures_count = 0;
        self.last_error = None;
    }

    fn failed(&mut self, now: Moment, refresh: Duration, error: String) {
        let doublings = self.failures_count.min(u16::BITS);
        let pause = PAUSE_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX);
        self.due_at = now + jittered(pause.min(refresh));
        self.failures_count = self.failures_count.saturating_add(1);
        self.last_error = Some(error);
    }
}

/// A pause, shorter by up to a tenth.
fn jittered(pause: Duration) -> Duration {
    let pause = pause.max(PAUSE_MIN);
    pause.saturating_sub((pause / JITTER_DIVISOR).mul_f64(fastrand::f64()))
}
