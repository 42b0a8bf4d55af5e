//! How the edge ends: readiness first, then the listeners, then what is in flight.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use crate::settings;

/// Time for answers that are already written to leave their sockets.
const FLUSH_FOR: Duration = Duration::from_millis(500);
/// Time for the first request of a connection that was accepted before the edge stopped to accept.
const FIRST_REQUEST_FOR: Duration = Duration::from_millis(500);
/// How often the drain looks whether everything has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Where the edge stands in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Takes requests.
    #[default]
    Serving,
    /// Still takes requests, but says that it will not for long: readiness is off, and answers
    /// close their connections.
    Draining,
    /// Takes no connections, and ends what it has as requests end.
    Closing,
    /// Closes what idles.
    Closed,
}

/// The phase and the exchanges in flight.
pub struct Lifecycle {
    phase: watch::Sender<Phase>,
    in_flight: AtomicUsize,
    /// Connections that have asked for nothing yet.
    fresh: AtomicUsize,
}

/// Work that the drain waits for, until this is dropped.
#[derive(Debug)]
pub struct Hold<'a>(&'a Lifecycle);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = *self.phase.borrow();
        f.debug_struct("Lifecycle").field("phase", &phase).finish_non_exhaustive()
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Serving),
            in_flight: AtomicUsize::new(0),
            fresh: AtomicUsize::new(0),
        }
    }
}

impl Lifecycle {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Follows the phase.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Exchanges and tunnels in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Keeps the drain waiting, up to its deadline, for work that is no exchange.
    pub fn hold(&self) -> Hold<'_> {
        self.begin();
        Hold(self)
    }

    pub(crate) fn connected(&self) {
        self.fresh.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection has sent its first request, or has ended without one.
    pub(crate) fn asked(&self) {
        self.fresh.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends the edge; returns when nothing is in flight or the deadline has passed.
    ///
    /// `connections` tells how many connections are open.
    pub(crate) async fn drain(
        &self,
        settings: &settings::Drain,
        connections: impl Fn() -> usize,
    ) -> Drained {
        let deadline = Instant::now() + settings.deadline;
        self.phase.send_replace(Phase::Draining);
        sleep_until(deadline.min(Instant::now() + settings.accept_for)).await;
        self.phase.send_replace(Phase::Closing);
        // A client whose connection was accepted at the last moment may have sent its request.
        let first_requests_by = deadline.min(Instant::now() + FIRST_REQUEST_FOR);
        let quiet = async {
            while self.in_flight() > 0
                || self.fresh.load(Ordering::Relaxed) > 0 && Instant::now() < first_requests_by
            {
                sleep(LOOK_EVERY).await;
            }
        };
        let all_ended = timeout_at(deadline, quiet).await.is_ok();
        let left = self.in_flight();
        self.phase.send_replace(Phase::Closed);
        let flushed = async {
            while connections() > 0 {
                sleep(LOOK_EVERY).await;
            }
        };
        // A client that does not close its side keeps its connection open; nothing waits for it.
        let _flushed = tokio::time::timeout(FLUSH_FOR, flushed).await;
        if all_ended { Drained::Whole } else { Drained::CutOff { exchanges: left } }
    }
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything in flight had ended.
    Whole,
    /// The deadline passed before.
    CutOff {
        /// What was still in flight.
        exchanges: usize,
    },
}

#[cfg(test)]
mod tests;
