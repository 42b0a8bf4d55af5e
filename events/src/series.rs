//! What operators say of series: cancelled, paused, or going on again.
//!
//! Each word is an entry of [`SERIES_TOPIC`], with who said it and why. Every process folds that
//! topic, from its first entry on, and its handlers ask the fold before they begin.

mod fold;

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use headgate_types::{Clock, TraceId, UnixTime};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use self::fold::Fold;
use crate::{Actor, Body, Entry, Log, LogError, Message, Tail, Tailed, Topics};

/// What operators say of series. One partition, so that everybody reads it in one order.
pub const SERIES_TOPIC: &str = "hg.series";
/// Time before a log that gave no answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long whoever says something waits until this process heeds it.
const HEEDED_WITHIN: Duration = Duration::from_secs(5);

/// What is said of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesAction {
    /// Nothing of it begins any more, for good.
    Cancel,
    /// Nothing of it begins until it goes on.
    Pause,
    /// It goes on.
    Resume,
}

/// How a series stands that something was said of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesControl {
    /// Whether it is cancelled; else it is paused.
    pub is_cancelled: bool,
    /// Who said so, and why.
    pub by: Actor,
    /// When.
    pub time: UnixTime,
}

/// An entry of the topic.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    trace_id: String,
    action: SeriesAction,
    actor: String,
    why: String,
    time: String,
}

/// Tells how series stand. Clones are the same one.
#[derive(Clone)]
pub struct SeriesControls {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn Log>,
    topics: Topics,
    clock: Arc<dyn Clock>,
    fold: RwLock<Fold>,
    /// Everything below this offset is folded. None: the topic's end was not reached yet.
    folded: watch::Sender<Option<u64>>,
}

impl fmt::Debug for SeriesControls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeriesControls").finish_non_exhaustive()
    }
}

impl SeriesControls {
    /// Knows nothing until it [runs](Self::run).
    pub fn new(log: Arc<dyn Log>, topics: Topics, clock: Arc<dyn Clock>) -> Self {
        let (fold, folded) = (RwLock::default(), watch::Sender::new(None));
        Self { inner: Arc::new(Inner { log, topics, clock, fold, folded }) }
    }

    /// Follows what is said, for ever; a log that gives no answer is asked again.
    ///
    /// # Cancel safety
    ///
    /// Run again, it goes on where it was.
    pub async fn run(&self) {
        loop {
            let Err(error) = self.follow().await;
            tracing::debug!(%error, "what is said of series is not followed for the moment");
            sleep(AGAIN).await;
        }
    }

    async fn follow(&self) -> Result<Infallible, LogError> {
        let Inner { log, topics, fold, folded, .. } = &*self.inner;
        let from = fold.read().next();
        let mut tail = Tail::open(Arc::clone(log), topics.get(SERIES_TOPIC), from).await?;
        loop {
            match tail.next().await? {
                Tailed::CaughtUp(next) => {
                    folded.send_replace(Some(next));
                }
                Tailed::Entries(entries) => {
                    self.take(&entries);
                    // Of what stands there, nothing is told before all of it is known.
                    if folded.borrow().is_some() {
                        folded.send_replace(Some(fold.read().next()));
                    }
                }
            }
        }
    }

    fn take(&self, entries: &[Entry]) {
        let mut fold = self.inner.fold.write();
        for entry in entries {
            let written = serde_json::from_slice::<Written>(&entry.value).ok();
            fold.take(entry.offset, written.and_then(|written| said(&written)));
        }
    }

    /// Says something of a series, and returns once it is durable and heeded in this process.
    /// What was said before may make it mean nothing: what is cancelled stays so.
    ///
    /// # Errors
    ///
    /// [`LogError`]; it may stand all the same, and may be said again.
    pub async fn say(
        &self,
        trace: TraceId,
        action: SeriesAction,
        by: &Actor,
    ) -> Result<Option<SeriesControl>, LogError> {
        let Inner { log, clock, folded, .. } = &*self.inner;
        let time = clock.unix_time();
        let written = Written {
            trace_id: trace.to_string(),
            action,
            actor: by.name.clone(),
            why: by.why.clone(),
            time: time.to_string(),
        };
        let value = serde_json::to_vec(&written).unwrap_or_default().into();
        let key = Some(written.trace_id.as_str().into());
        let body = Body::Other { key, value };
        let message = Message { topic: SERIES_TOPIC.into(), partition: 0, time, body };
        let mut folded = folded.subscribe();
        let places = log.append(vec![message]).await?;
        let offset = places.first().map(|place| place.offset).unwrap_or_default();
        let is_heeded = |next: &Option<u64>| next.is_some_and(|next| next > offset);
        let heeded = async { folded.wait_for(is_heeded).await.is_ok() };
        if timeout(HEEDED_WITHIN, heeded).await != Ok(true) {
            return Err(LogError::InDoubt("it is written, and not heeded yet".to_owned()));
        }
        Ok(self.of(trace))
    }

    /// How a series stands. None: nothing is said of it, and it goes on.
    pub fn of(&self, trace: TraceId) -> Option<SeriesControl> {
        self.inner.fold.read().of(trace).cloned()
    }

    /// As [`of`](Self::of), once all that was said before this process began is known.
    pub(crate) async fn known(&self, trace: TraceId) -> Option<SeriesControl> {
        if self.inner.folded.borrow().is_none() {
            let mut folded = self.inner.folded.subscribe();
            // The sender lives as long as this.
            drop(folded.wait_for(Option::is_some).await);
        }
        if self.inner.fold.read().is_empty() {
            return None;
        }
        self.of(trace)
    }

    /// Returns once a series is cancelled.
    pub(crate) async fn cancelled(&self, trace: TraceId) -> SeriesControl {
        let mut folded = self.inner.folded.subscribe();
        loop {
            if let Some(control) = self.of(trace).filter(|control| control.is_cancelled) {
                return control;
            }
            if folded.changed().await.is_err() {
                // The sender lives as long as this.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What an entry says. None: nothing that is known here.
fn said(written: &Written) -> Option<(TraceId, SeriesAction, Actor, UnixTime)> {
    let Written { trace_id, action, actor, why, time } = written;
    let by = Actor { name: actor.clone(), why: why.clone() };
    Some((trace_id.parse().ok()?, *action, by, time.parse().ok()?))
}

#[cfg(test)]
mod tests;
