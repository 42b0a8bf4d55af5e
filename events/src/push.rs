//! Gives what is pushed to whoever owns a series, from one process to all of his connections.
//!
//! Everything that is pushed to one owner stands in one partition of [`PUSH_TOPIC`], in order. So a
//! connection's place is one number, the same at every node and after every restart: whoever comes
//! back with it misses nothing. A process follows the topic once for all of its connections, and
//! keeps its recent end in memory; a connection that is further behind reads the log until it is
//! not.

mod lane;
mod mailbox;
mod subscription;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use headgate_idempotency::{PUSH_KIND, PUSH_TOPIC, RESULT_KIND, partition_of};
use headgate_telemetry::{
    PushMetrics,
    otlp::{self, Spans},
};
use headgate_types::{Clock, TraceId, UnixTime};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

pub use self::subscription::{Next, Subscription};
use self::{
    lane::Lane,
    mailbox::{Mailbox, OnCut},
};
use crate::{Entry, Log, LogError, Topics};

/// Time before a log that gave no answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a connection may wait for the first look at the log.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Connections that read the log at once: the disk is for publishing first.
const READERS_MAX: usize = 16;

/// What a connection wants.
pub struct Subscribe<'a> {
    /// Whose pushes. It is the caller's to see that he is who he says.
    pub owner: &'a str,
    /// From where on.
    pub from: Following,
    /// What may wait for the connection. If there is more, it is cut off.
    pub waiting_max: usize,
    /// Called when it is cut off, at once: it may be waiting for its client.
    pub on_cut: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Subscribe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe").field("from", &self.from).finish_non_exhaustive()
    }
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Its place: that of the owner's next one is higher.
    pub position: u64,
    /// What kind it is.
    pub kind: PushedKind,
    /// The event's id, the same whenever it is given.
    pub id: Arc<str>,
    /// The series.
    pub trace: TraceId,
    /// When it was made.
    pub time: UnixTime,
    /// What it says, JSON.
    pub data: Bytes,
    /// Whose it is.
    owner: Arc<str>,
}

/// What kind something is that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushedKind {
    /// How a handler settled the first event of a series.
    Result,
    /// What a handler says in its own words.
    Message,
}

impl PushedKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Message => "message",
        }
    }
}

impl Pushed {
    /// What an entry pushes. None: nothing, or to nobody.
    fn of(entry: &Entry) -> Option<Self> {
        let event = entry.event().ok()?;
        let kind = match &*event.kind {
            RESULT_KIND => PushedKind::Result,
            PUSH_KIND => PushedKind::Message,
            _ => return None,
        };
        Some(Self {
            position: entry.offset,
            kind,
            id: event.id,
            trace: event.trace_id,
            time: event.time,
            data: event.data,
            owner: event.owner?,
        })
    }
}

/// Follows what is pushed, and gives it to subscriptions. Clones are the same one.
#[derive(Clone)]
pub struct PushHub {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn Log>,
    topics: Topics,
    /// By partition. Empty until the log was looked at for the first time.
    lanes: watch::Sender<Arc<[Mutex<Lane>]>>,
    readers: Semaphore,
    metrics: Option<PushMetrics>,
    /// Tells a collector of what is given. None: there is none.
    spans: OnceLock<(Spans, Arc<dyn Clock>)>,
}

impl fmt::Debug for PushHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushHub").finish_non_exhaustive()
    }
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// With what comes from now on.
    Now,
    /// At a place, which is what a subscription said last, or 0 for all that is kept.
    From(u64),
}

impl PushHub {
    /// A hub that follows nothing until it [runs](Self::run).
    pub fn new(log: Arc<dyn Log>, topics: Topics, metrics: Option<PushMetrics>) -> Self {
        let lanes = watch::Sender::new(Vec::new().into());
        let readers = Semaphore::new(READERS_MAX);
        let spans = OnceLock::new();
        Self { inner: Arc::new(Inner { log, topics, lanes, readers, metrics, spans }) }
    }

    /// Tells a collector of what is given to connections from here on; the first one stays.
    pub fn tell(&self, spans: Spans, clock: Arc<dyn Clock>) {
        self.inner.spans.get_or_init(|| (spans, clock));
    }

    /// Follows what is pushed, for ever; a log that gives no answer is asked again.
    ///
    /// # Cancel safety
    ///
    /// Dropped, subscriptions wait; run again, it goes on where it was.
    pub async fn run(&self) {
        loop {
            let Err(error) = self.follow().await;
            tracing::debug!(%error, "what is pushed is not followed for the moment");
            sleep(AGAIN).await;
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible, LogError> {
        let Inner { log, topics, lanes, metrics, .. } = &*self.inner;
        if lanes.borrow().is_empty() {
            log.ensure(&[topics.get(PUSH_TOPIC)]).await?;
            let bounds = log.bounds(PUSH_TOPIC).await?.unwrap_or_default();
            let all = bounds.iter().map(|bounds| Mutex::new(Lane::new(bounds.next)));
            lanes.send_replace(all.collect());
        }
        let lanes = Arc::clone(&lanes.borrow());
        let from: Vec<u64> = lanes.iter().map(|lane| lane.lock().next()).collect();
        let mut follower = log.follow(PUSH_TOPIC, &from).await?;
        loop {
            for entry in follower.next().await? {
                let at = usize::try_from(entry.partition).unwrap_or(usize::MAX);
                let Some(lane) = lanes.get(at) else { continue };
                let pushed = Pushed::of(&entry);
                let given = lane.lock().take(entry.offset, pushed);
                if given.sent > 0 {
                    self.trace(&entry, given.sent);
                }
                if let Some(metrics) = metrics {
                    metrics.given(given.sent);
                    metrics.cut_off(given.cut);
                }
            }
        }
    }

    /// Tells the collector of what was given to so many connections.
    fn trace(&self, entry: &Entry, connections: u64) {
        let Some((spans, clock)) = self.inner.spans.get() else { return };
        if let Ok(event) = entry.event()
            && event.is_sampled
        {
            spans.record(&[otlp::pushed(&event, clock.unix_time(), connections)]);
        }
    }

    /// The partitions, once the log was looked at.
    async fn lanes(&self) -> Option<Arc<[Mutex<Lane>]>> {
        let mut seen = self.inner.lanes.subscribe();
        let seen = async move {
            let lanes = seen.wait_for(|lanes| !lanes.is_empty()).await.ok()?;
            Some(Arc::clone(&lanes))
        };
        timeout(READY_WITHIN, seen).await.ok().flatten()
    }

    /// Begins to give an owner what is pushed to him.
    ///
    /// # Errors
    ///
    /// [`LogError::Unavailable`]: the log was not seen yet.
    pub async fn subscribe(&self, wanted: Subscribe<'_>) -> Result<Subscription, LogError> {
        let Subscribe { owner, from, waiting_max, on_cut } = wanted;
        let unseen = || LogError::Unavailable("the log was not seen yet".to_owned());
        let lanes = self.lanes().await.ok_or_else(unseen)?;
        let count = u32::try_from(lanes.len()).unwrap_or(u32::MAX);
        let place = (lanes, partition_of(owner, count));
        let mailbox = Arc::new(Mailbox::new(waiting_max, OnCut(on_cut)));
        let inner = Arc::clone(&self.inner);
        let mut subscription = Subscription::new(inner, place, owner.into(), mailbox);
        subscription.begin(from).await?;
        Ok(subscription)
    }
}

#[cfg(test)]
mod tests;
