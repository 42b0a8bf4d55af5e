//! The timelines of all edges, in the log that they share.

use std::{sync::Arc, time::Duration};

use headgate_admin::HistoryEntry;
use headgate_events::{
    Bounds, ENTRIES_MAX, Entry, Log, LogError, MoveFeed, Moved, Moves, Topic, first_since,
};
use headgate_gateway::server::Task;
use headgate_idempotency::OsRandom;
use headgate_telemetry::FactsMetrics;
use headgate_types::{Moment, UnixTime};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{
    coalesced::Coalesced,
    page::{Piece, Side},
};

/// The one partition of the topic.
const PARTITION: u32 = 0;
/// Entries of one page at most.
const PAGE_ENTRIES_MAX: usize = 1_024;
/// Time for the log to give a page.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// Clocks of edges differ by less than this, or entries at the beginning of a time are missed.
const SKEW_MAX: Duration = Duration::from_secs(30);

/// Tells this edge's timeline to the others, and reads theirs.
#[derive(Debug)]
pub(super) struct Shared {
    log: Arc<dyn Log>,
    topic: Topic,
    /// Under which name this edge's own entries stand there.
    origin: String,
    moves: Moves,
    feed: Mutex<Option<MoveFeed>>,
    coalesced: Mutex<Coalesced>,
}

/// An entry as it stands in the log.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// Who keeps it itself.
    origin: String,
    #[serde(flatten)]
    entry: HistoryEntry,
}

impl Shared {
    pub(super) fn new(
        (log, topic): (Arc<dyn Log>, Topic),
        origin: String,
        metrics: FactsMetrics,
    ) -> Self {
        let (moves, feed) = Moves::new(metrics);
        let (feed, coalesced) = (Mutex::new(Some(feed)), Mutex::default());
        Self { log, topic, origin, moves, feed, coalesced }
    }

    /// Appends what is told until the edge ends. None: it is done already.
    pub(super) fn task(&self) -> Option<Task> {
        let feed = self.feed.lock().take()?;
        let (log, topic) = (Arc::clone(&self.log), self.topic.clone());
        Some(Box::new(move |mut shutdown| {
            Box::pin(async move {
                let stop = async move {
                    // A sender that is gone means the same as one that says stop.
                    let _stopped = shutdown.wait_for(|stop| *stop).await;
                };
                feed.run(log, topic, stop).await;
            })
        }))
    }

    /// Tells entries of a node, and what waits. Never waits itself.
    pub(super) fn tell(
        &self,
        node: &str,
        entries: &[HistoryEntry],
        (now, time): (Moment, UnixTime),
    ) {
        let taken = self.coalesced.lock().take(entries, now);
        if taken.dropped > 0 {
            self.moves.dropped(taken.dropped.try_into().unwrap_or(u64::MAX));
        }
        for entry in taken.told {
            let told = Told { origin: self.origin.clone(), entry };
            // It is made of texts, which JSON can always hold.
            let Ok(data) = serde_json::to_vec(&told) else { continue };
            match Moved::new(node, time, data.into(), &OsRandom) {
                Some(moved) => self.moves.tell(moved),
                None => self.moves.dropped(1),
            }
        }
    }

    /// The other edges' entries of a time from a place on, the oldest first.
    ///
    /// # Errors
    ///
    /// [`LogError`], also of a log that takes too long.
    pub(super) async fn read(&self, since: UnixTime, from: Option<u64>) -> Result<Side, LogError> {
        let read = timeout(READ_WITHIN, self.entries(since, from)).await;
        let late = |_| LogError::Unavailable("it was not read in time".to_owned());
        let (entries, is_more) = read.map_err(late)??;
        let piece = |entry: Entry| {
            let told = told(&entry).filter(|_| entry.time >= since);
            let others = told.filter(|told| told.origin != self.origin).map(|told| told.entry);
            let entries = others.into_iter().collect();
            Piece { time: entry.time, next: entry.offset + 1, entries }
        };
        Ok(Side { pieces: entries.into_iter().map(piece).collect(), is_more })
    }

    async fn entries(
        &self,
        since: UnixTime,
        from: Option<u64>,
    ) -> Result<(Vec<Entry>, bool), LogError> {
        let topic = &*self.topic.name;
        let bounds = self.log.bounds(topic).await?.unwrap_or_default();
        let bounds: Bounds = bounds.first().copied().unwrap_or_default();
        let mut next = if let Some(from) = from {
            from.max(bounds.first)
        } else {
            let since = UnixTime::from_duration(since.as_duration().saturating_sub(SKEW_MAX));
            first_since(&*self.log, (topic, PARTITION), since, bounds).await?
        };
        let mut all = Vec::new();
        // What comes while pages are read is for whoever asks later: pages come to an end.
        while next < bounds.next && all.len() < PAGE_ENTRIES_MAX {
            let entries = self.log.read(topic, PARTITION, next, ENTRIES_MAX).await?;
            // What is gone or takes an offset without being an entry ends the page.
            next = entries.last().map_or(bounds.next, |last| last.offset + 1);
            all.extend(entries);
        }
        Ok((all, next < bounds.next))
    }
}

/// What an entry says. None: nothing that is known here.
fn told(entry: &Entry) -> Option<Told> {
    serde_json::from_slice(&entry.event().ok()?.data).ok()
}
