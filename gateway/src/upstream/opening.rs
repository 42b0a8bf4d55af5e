//! One connection that is being opened for all that will share it: without this, a burst to an
//! HTTP/2 endpoint would open a connection for each request before the first is there.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use crate::upstream::connect::ConnectError;

/// A connection that is being opened.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// Who waits for it.
    waiting: AtomicUsize,
    /// Why there is none; none inside when there is one, or whoever opened it gave up.
    ended: OnceLock<Option<ConnectError>>,
    told: Notify,
}

impl Opening {
    /// Waits with others for its end, if it has not come and fewer than `max` wait.
    pub(super) fn join(self: &Arc<Self>, max: usize) -> Option<Waiting> {
        let is_open = self.ended.get().is_none() && self.waiting.load(Ordering::Relaxed) < max;
        is_open.then(|| {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            Waiting(Arc::clone(self))
        })
    }
}

/// Whoever waits for a connection that somebody else opens.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Opening>);

impl Waiting {
    /// Waits for the end of the opening.
    ///
    /// # Errors
    ///
    /// Why no connection could be opened.
    pub(super) async fn end(self) -> Result<(), ConnectError> {
        let told = self.0.told.notified();
        if self.0.ended.get().is_none() {
            told.await;
        }
        match self.0.ended.get() {
            Some(Some(error)) => Err(error.alike()),
            _ => Ok(()),
        }
    }
}

/// Whoever opens it. Dropped, it lets those who wait go on.
#[derive(Debug)]
pub(super) struct Opener(pub(super) Arc<Opening>);

impl Opener {
    /// Tells those who wait how it went.
    pub(super) fn ended<T>(self, opened: &Result<T, ConnectError>) {
        let error = opened.as_ref().err().map(ConnectError::alike);
        // Nobody else sets it.
        let _first = self.0.ended.set(error);
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.ended.get_or_init(|| None);
        self.0.told.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
