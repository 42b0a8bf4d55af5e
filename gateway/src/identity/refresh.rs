//! Fetches the keys of one source whenever they are due or asked for.

use std::time::Duration;

use headgate_types::Clock;
use http::Uri;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::identity::{FetchError, FetchKeys, KeySetError, key_ring::KeyRing, key_store::KeyStore};

/// Time for one fetch, from the name lookup to the last byte.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest sleep between two looks at the clock. It bounds how late a fetch can be on a
/// machine that was suspended.
const SLEEP_MAX: Duration = Duration::from_hours(1);

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no answer within {} seconds", FETCH_TIMEOUT.as_secs())]
    TimedOut,
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

/// Runs until `shutdown` holds true or its sender is gone, and tells `ended` of each fetch whether
/// it was good. One fetch at a time; nobody else fetches for this source.
pub(super) async fn keep_fresh(
    keys: &KeyStore,
    fetch: &dyn FetchKeys,
    clock: &dyn Clock,
    mut shutdown: watch::Receiver<bool>,
    ended: impl Fn(bool),
) {
    let Some(uri) = keys.uri() else { return };
    let fetch_as_due = async {
        let mut was_good = false;
        loop {
            let due_in = keys.due_in(clock.now());
            if due_in.is_zero() {
                keys.fetch_began();
                let fetched = fetch_ring(fetch, uri).await;
                match &fetched {
                    Ok(_) if was_good => {}
                    Ok(_) => tracing::info!(source = keys.name(), "identity keys fetched"),
                    Err(error) => {
                        tracing::warn!(source = keys.name(), %error, "identity keys not fetched");
                    }
                }
                was_good = fetched.is_ok();
                ended(was_good);
                keys.fetch_ended(clock.now(), fetched);
            } else {
                tokio::select! {
                    () = keys.asked() => {}
                    () = sleep(due_in.min(SLEEP_MAX)) => {}
                }
            }
        }
    };
    tokio::select! {
        biased;
        // A sender that is gone means shutdown too.
        _ = shutdown.wait_for(|is_over| *is_over) => {}
        () = fetch_as_due => {}
    }
}

async fn fetch_ring(fetch: &dyn FetchKeys, uri: &Uri) -> Result<KeyRing, Error> {
    let text = timeout(FETCH_TIMEOUT, fetch.fetch(uri.clone())).await;
    let text = text.map_err(|_| Error::TimedOut)??;
    Ok(KeyRing::parse(&text)?)
}
