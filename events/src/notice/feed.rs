//! Notices as events of a topic of their own, for whoever wants to be told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use headgate_idempotency::Random;
use headgate_types::{Event, Root};
use tokio::{sync::mpsc, time::sleep};

use super::{Class, Notice, Notify};
use crate::{
    Parts,
    log::Message,
    publisher::{fresh_id, fresh_series},
    topic::NOTICE_TOPIC,
};

/// The type of a notice's event.
pub const NOTICE_KIND: &str = "hg.notice.v1";
/// Who tells.
const SOURCE: &str = "/hg/notices";
/// Notices that wait for the log; beyond that they are counted and dropped.
const WAITING_MAX: usize = 1_024;
/// Notices that are appended at once.
const ROWS_MAX: usize = 64;
/// Between two tries to append.
const AGAIN: Duration = Duration::from_secs(1);

/// Takes the notices of some classes, for a [`NoticeFeed`] to append.
#[derive(Debug)]
pub struct Notices {
    classes: Vec<Class>,
    send: mpsc::Sender<Notice>,
    dropped: Arc<AtomicU64>,
}

/// Appends notices to their topic, one event each.
#[derive(Debug)]
pub struct NoticeFeed {
    waiting: mpsc::Receiver<Notice>,
    dropped: Arc<AtomicU64>,
}

impl Notices {
    /// Notices of these classes, and what appends them.
    pub fn new(classes: Vec<Class>) -> (Self, NoticeFeed) {
        let (send, waiting) = mpsc::channel(WAITING_MAX);
        let dropped = Arc::<AtomicU64>::default();
        let feed = NoticeFeed { waiting, dropped: Arc::clone(&dropped) };
        (Self { classes, send, dropped }, feed)
    }
}

impl Notify for Notices {
    fn notify(&self, notice: &Notice) {
        // Of an error with a notice there is none, or there would be no end.
        if notice.topic == NOTICE_TOPIC || !self.classes.contains(&notice.class) {
            return;
        }
        if self.send.try_send(notice.clone()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl NoticeFeed {
    /// Appends what comes, until nobody is left who could tell anything. Dropped, it loses what
    /// waits: a notice is no record.
    pub async fn run(mut self, parts: Parts) {
        let mut notices = Vec::with_capacity(ROWS_MAX);
        while self.waiting.recv_many(&mut notices, ROWS_MAX).await > 0 {
            let messages = notices.drain(..).filter_map(|notice| message(&parts, &notice));
            let messages: Vec<_> = messages.collect();
            while let Err(error) = append(&parts, messages.clone()).await {
                tracing::warn!(%error, code = error.code(), "notices wait for the log");
                sleep(AGAIN).await;
            }
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                tracing::warn!(dropped, "too many notices at once");
            }
        }
    }
}

async fn append(parts: &Parts, messages: Vec<Message>) -> Result<(), crate::LogError> {
    parts.log.ensure(&[parts.topics.get(NOTICE_TOPIC)]).await?;
    parts.log.append(messages).await.map(drop)
}

/// The event of a notice, a series of its own. None: it can't be written, which no text causes.
fn message(parts: &Parts, notice: &Notice) -> Option<Message> {
    let random: &dyn Random = &*parts.random;
    let (trace_id, span_id) = fresh_series(random)?;
    let root = Root {
        id: fresh_id(random).into(),
        source: SOURCE.into(),
        kind: NOTICE_KIND.into(),
        partition_key: notice.scope.as_str().into(),
        time: notice.time.unwrap_or_else(|| parts.clock.unix_time()),
        trace_id,
        span_id,
    };
    let data = serde_json::to_vec(notice).ok()?;
    Some(Message::event(&parts.topics, NOTICE_TOPIC, Event::root(root, Bytes::from(data))))
}
