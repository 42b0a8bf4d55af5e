//! How the keys of a mint follow one another: by time, and by command.

use std::{sync::Arc, time::Duration};

use headgate_types::UnixTime;
use tokio::{sync::watch, time::sleep};

use crate::passport::{Error, Mint, mint_keys::MintKeys};

/// How long a retired key is published beyond its last Passport, for upstreams whose clock is late.
pub(super) const SKEW: Duration = Duration::from_mins(1);

/// The pause after new keys could not be kept, and the longest sleep between two looks at the
/// clock.
const TURN_RETRY: Duration = Duration::from_mins(1);

/// How long a key has been published before a command lets it sign: whoever may keep the keys for a
/// minute, as the answer with them says, has read it by then, clocks and slow fetches included.
const PUBLISHED_MIN: Duration = Duration::from_mins(5);

/// Retired keys that may be published at a time: no operator rotates as often.
pub(super) const RETIRED_MAX: usize = 16;

/// Why the next key did not take over by command; the one that signs is the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// Upstreams may not have read the next key, or as many keys as there may be are published.
    #[error("keys can turn in {} s", .0.as_secs())]
    TooSoon(Duration),
    /// The keys could not be made or kept.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The keys after a rotation by command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The name of the key that signs.
    pub signs: String,
    /// The name of the one that follows.
    pub next: String,
    /// When that one takes over by itself.
    pub turns_at: UnixTime,
}

impl Mint {
    /// Lets the next key take over when its time has come, until `shutdown` holds true or its
    /// sender is gone. Keys that can't be kept in their folder are not used; the old one signs on.
    pub async fn run(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let turn_when_due = async {
            loop {
                let due_in = self.keys.load().turns_at.since(self.clock.unix_time());
                if !due_in.is_zero() {
                    sleep(due_in.min(TURN_RETRY)).await;
                    continue;
                }
                let this = Arc::clone(&self);
                // Writing a file can take long; the threads that serve must not wait for it.
                let turned = tokio::task::spawn_blocking(move || this.turn()).await;
                if let Ok(Err(error)) = turned {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "passport keys not rotated"
                    );
                    sleep(TURN_RETRY).await;
                }
            }
        };
        tokio::select! {
            biased;
            // A sender that is gone means shutdown too.
            _ = shutdown.wait_for(|is_over| *is_over) => {}
            () = turn_when_due => {}
        }
    }

    /// Lets the next key take over now. Without force only once every upstream that reads the keys
    /// as often as it is told to has that key, so that there is no gap. Waits for the disk.
    ///
    /// # Errors
    ///
    /// [`RotateError`].
    pub fn rotate(&self, is_forced: bool) -> Result<Rotated, RotateError> {
        let mut next_since = self.next_since.lock();
        let now = self.clock.unix_time();
        let keys = self.keys.load_full();
        let published_until =
            keys.retired.iter().filter(|retired| now < retired.until).map(|retired| retired.until);
        if published_until.clone().count() >= RETIRED_MAX {
            let left = published_until.min().map_or(Duration::ZERO, |until| until.since(now));
            return Err(RotateError::TooSoon(left));
        }
        let left = (*next_since + PUBLISHED_MIN.min(self.rotate_every)).since(now);
        if !is_forced && !left.is_zero() {
            return Err(RotateError::TooSoon(left));
        }
        let turned = self.turn_to_next(&keys, now)?;
        *next_since = now;
        drop(next_since);
        // Those at hand are signed by the key before, which may be no secret any more.
        self.cache.clear();
        tracing::info!(
            key = turned.current.public().name(),
            forced = is_forced,
            "passport keys rotated"
        );
        Ok(Rotated {
            signs: turned.current.public().name().to_owned(),
            next: turned.next.public().name().to_owned(),
            turns_at: turned.turns_at,
        })
    }

    /// Lets the next key take over if its time has come.
    pub(super) fn turn(&self) -> Result<(), Error> {
        let mut next_since = self.next_since.lock();
        let now = self.clock.unix_time();
        let keys = self.keys.load_full();
        if now >= keys.turns_at {
            self.turn_to_next(&keys, now)?;
            *next_since = now;
        }
        Ok(())
    }

    /// Whoever calls holds the lock.
    fn turn_to_next(&self, keys: &MintKeys, now: UnixTime) -> Result<Arc<MintKeys>, Error> {
        let turned = keys.turned(now, now + self.rotate_every, self.ttl + SKEW)?;
        if let Some(file) = &self.file {
            // Kept before it is published: nobody may trust a key that a crash can lose.
            file.write(&turned).map_err(|cause| file.error(cause))?;
        }
        let turned = Arc::new(turned);
        self.keys.store(Arc::clone(&turned));
        Ok(turned)
    }
}
