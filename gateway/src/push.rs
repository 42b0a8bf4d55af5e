//! Clients that what comes of their requests is pushed to.
//!
//! A client stays connected, by an event stream or a WebSocket, and is given its own results and
//! messages as they come. Each carries the place to go on from, at this node or another one.

mod body;
mod frames;
mod socket;

use std::{
    future::pending,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use headgate_events::{Next, PushHub, Pushed, Subscription};
use headgate_telemetry::PushMetrics;
use http::HeaderMap;
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, sleep, sleep_until};

pub use self::body::PushBody;
pub(crate) use self::socket::{accept_value, spawn};
use crate::{connection::Connection, drain::Phase, edge::Edge, publishing::Owner, settings};

/// The least time after which a client that is told to leave comes back.
const BACK_AFTER: Duration = Duration::from_secs(1);
/// Clients are spread over this much more, so that they do not come back together.
const BACK_SPREAD: Duration = Duration::from_secs(4);
/// The longest time over which clients are told to leave when the edge drains.
const GOODBYE_SPREAD: Duration = Duration::from_secs(4);
/// Time before a log that gave no answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// The clients that results are pushed to, and where those come from.
#[derive(Debug)]
pub(crate) struct Pushes {
    hub: OnceLock<PushHub>,
    open: AtomicUsize,
    metrics: PushMetrics,
}

impl Pushes {
    pub(crate) fn new(metrics: PushMetrics) -> Self {
        Self { hub: OnceLock::new(), open: AtomicUsize::new(0), metrics }
    }

    pub(crate) fn follow(&self, hub: PushHub) {
        self.hub.get_or_init(|| hub);
    }

    /// Where results come from. None: there are no events.
    pub(crate) fn hub(&self) -> Option<&PushHub> {
        self.hub.get()
    }
}

/// A place among the connections that are pushed to, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Edge>);

impl Place {
    /// Takes a place. None: all are taken.
    pub(crate) fn take(edge: &Arc<Edge>, settings: settings::Push) -> Option<Self> {
        let Pushes { open, metrics, .. } = &edge.pushes;
        let max = settings.connections_max.get();
        let taken = open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < max).then_some(open + 1)
        });
        if taken.is_err() {
            metrics.refused();
            return None;
        }
        metrics.opened();
        Some(Self(Arc::clone(edge)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Pushes { open, metrics, .. } = &self.0.pushes;
        open.fetch_sub(1, Ordering::Relaxed);
        metrics.closed();
    }
}

/// A client that is pushed to from here on.
pub(crate) struct Opened {
    pub(crate) feed: Feed,
    /// What the connection becomes a WebSocket by. None: an event stream.
    pub(crate) socket: Option<Handshake>,
}

/// What a client asks for a WebSocket with.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) upgrade: OnUpgrade,
    /// `sec-websocket-key`, as it came.
    pub(crate) key: Vec<u8>,
    /// Told when the connection is cut off.
    pub(crate) cut: Arc<tokio::sync::Notify>,
}

/// What a client is told.
#[derive(Debug)]
pub(crate) enum Said {
    /// From which place on it is told everything.
    Ready(u64),
    /// Something was pushed.
    Pushed(Arc<Pushed>),
    /// What was pushed before this place is not kept any more.
    Gap(u64),
    /// Nothing, so that the connection stays open.
    Beat,
    /// To leave, and to come back after a time.
    GoAway(Duration),
    /// Nothing any more: it is too slow.
    CutOff,
}

/// Everything that one client is told, in order.
pub(crate) struct Feed {
    subscription: Subscription,
    place: Place,
    owner: Owner,
    /// What it came with, to look at its credential again.
    came: (Arc<Connection>, HeaderMap),
    heartbeat: Duration,
    due: Instant,
    /// Ends when the edge drains.
    drain: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_greeted: bool,
}

impl Feed {
    pub(crate) fn new(
        subscription: Subscription,
        place: Place,
        (owner, came): (Owner, (Arc<Connection>, HeaderMap)),
        settings: settings::Push,
    ) -> Self {
        let heartbeat = settings.heartbeat;
        // The first beat at any time, so that those who came together do not beat together.
        let due = Instant::now() + heartbeat.mul_f64(fastrand::f64());
        let drain = Box::pin(drains(&place.0));
        Self { subscription, place, owner, came, heartbeat, due, drain, is_greeted: false }
    }

    /// Time between two signs of life.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// Waits for what the client is told next. Nothing comes after [`Said::GoAway`] and
    /// [`Said::CutOff`].
    ///
    /// # Cancel safety
    ///
    /// A wait that is given up takes nothing with it.
    pub(crate) async fn next(&mut self) -> Said {
        if !std::mem::replace(&mut self.is_greeted, true) {
            return Said::Ready(self.subscription.position());
        }
        loop {
            tokio::select! {
                biased;
                () = &mut self.drain => {
                    self.drain = Box::pin(pending());
                    return go_away();
                }
                () = sleep_until(self.due) => {
                    self.due += self.heartbeat;
                    return if self.is_still_owner().await { Said::Beat } else { go_away() };
                }
                next = self.subscription.next() => match next {
                    Ok(Next::Pushed(pushed)) => return Said::Pushed(pushed),
                    Ok(Next::Gap) => return Said::Gap(self.subscription.position()),
                    Ok(Next::CutOff) => return Said::CutOff,
                    Err(error) => {
                        tracing::debug!(%error, "what was pushed can't be read for the moment");
                        sleep(AGAIN).await;
                    }
                }
            }
        }
    }

    /// Whether the credential still is what it was: it may have ended or been withdrawn.
    async fn is_still_owner(&mut self) -> bool {
        let (connection, headers) = &self.came;
        let shown = connection.credentials(headers);
        let caller = self.place.0.authenticator().identify(shown).await;
        caller.is_some_and(|caller| Owner::of(&caller.identity) == self.owner)
    }
}

fn go_away() -> Said {
    Said::GoAway(BACK_AFTER + BACK_SPREAD.mul_f64(fastrand::f64()))
}

/// Returns at any time within a spread after the edge began to drain.
fn drains(edge: &Edge) -> impl Future<Output = ()> + Send + use<> {
    let mut phase = edge.lifecycle().watch();
    let spread = GOODBYE_SPREAD.min(edge.terms().drain.deadline / 2);
    async move {
        // The sender lives as long as the edge.
        drop(phase.wait_for(|phase| *phase > Phase::Serving).await);
        sleep(spread.mul_f64(fastrand::f64())).await;
    }
}
