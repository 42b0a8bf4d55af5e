//! Carries what commits emit from `DynamoDB`'s outbox to the log.
//!
//! A commit puts its children into the outbox, so they are there if and only if the commit is.
//! Whoever committed publishes them at once, from memory. What that leaves, because a process died
//! or the log was down, is found by a sweep, which one process does at a time: it holds a lease. A
//! row is removed once the log has its event, so a relay that dies in between leaves a second copy
//! in the log with the same id, which consumers know.

mod lease;
mod settings;
mod sweep;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use headgate_idempotency::dynamodb::{DynamoDb, Outgoing};
use headgate_types::Clock;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use self::{lease::Lease, sweep::Sweep};
use crate::{
    error::LogError,
    log::{Log, Message},
};

pub use self::settings::Settings;

/// A running relay. Dropped, it stops where it stands; whatever it leaves is found by the next.
#[derive(Debug)]
pub struct Relay {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    carried: Arc<Carried>,
}

/// How much a relay has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Events that it published right after their commits.
    pub at_once: u64,
    /// Events that its sweeps found.
    pub swept: u64,
    /// Events that waited for nobody, because too many did: sweeps find them.
    pub left: u64,
    /// Events that no log takes, as often as they were tried.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct Carried {
    at_once: AtomicU64,
    swept: AtomicU64,
    left: AtomicU64,
    refused: AtomicU64,
}

/// What both ways share.
#[derive(Clone)]
struct Way {
    table: DynamoDb,
    log: Arc<dyn Log>,
    carried: Arc<Carried>,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Relay {
    /// Starts on tokio's current runtime. Commits of the table's clones are published at once only
    /// by the first relay that is started for them.
    pub fn start(
        table: DynamoDb,
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let carried = Arc::new(Carried::default());
        let (send, waiting) = mpsc::channel(settings.waiting_max.get());
        let left = Arc::clone(&carried);
        table.tell_emitted(Arc::new(move |rows: Vec<Outgoing>| {
            for row in rows {
                if send.try_send(row).is_err() {
                    left.left.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
        let way = Way { table: table.clone(), log, carried: Arc::clone(&carried) };
        let lease = Lease::new(table, Arc::clone(&clock), settings.lease);
        let (stop, stopped) = watch::channel(false);
        let sweep = Sweep::new(way.clone(), lease, clock, settings);
        let tasks = vec![
            tokio::spawn(at_once(way, waiting, stopped.clone())),
            tokio::spawn(sweep.until(stopped)),
        ];
        Self { stop, tasks, carried }
    }

    /// What it has done.
    pub fn done(&self) -> Done {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Carried { at_once, swept, left, refused } = &*self.carried;
        Done {
            at_once: read(at_once),
            swept: read(swept),
            left: read(left),
            refused: read(refused),
        }
    }

    /// Begins nothing more, and waits for what is under way: at most as long as one append takes.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(%error, "relay did not stop in order");
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Publishes what commits of this process emit, in their order.
async fn at_once(
    way: Way,
    mut waiting: mpsc::Receiver<Outgoing>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut rows = Vec::with_capacity(settings::ROWS_MAX);
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            count = waiting.recv_many(&mut rows, settings::ROWS_MAX) => if count == 0 { return },
        }
        // What fails is found by a sweep: to hold it here would hold what follows.
        let published = way.publish(&rows).await;
        way.carried.at_once.fetch_add(published, Ordering::Relaxed);
        rows.clear();
    }
}

impl Way {
    /// Publishes rows in order and removes those that the log has. Tells how many that were.
    async fn publish(&self, rows: &[Outgoing]) -> u64 {
        match self.append(rows).await {
            Ok(()) => self.remove(rows).await,
            // One row that no log takes must not hold the others.
            Err(error) if !error.is_retryable() && rows.len() > 1 => {
                let mut published = 0;
                for row in rows {
                    published += Box::pin(self.publish(std::slice::from_ref(row))).await;
                }
                published
            }
            Err(error) if !error.is_retryable() => {
                self.carried.refused.fetch_add(1, Ordering::Relaxed);
                let topic = rows.first().map(|row| row.topic.as_str());
                tracing::warn!(%error, topic, "the log does not take an event of the outbox");
                0
            }
            Err(error) => {
                tracing::debug!(%error, rows = rows.len(), "events stay in the outbox for now");
                0
            }
        }
    }

    async fn append(&self, rows: &[Outgoing]) -> Result<(), LogError> {
        let messages = rows.iter().map(|row| {
            Message::from_payload(&row.topic, row.partition, row.time, row.payload.clone())
        });
        self.log.append(messages.collect()).await.map(drop)
    }

    /// A row that stays is published again, and is the same event.
    async fn remove(&self, rows: &[Outgoing]) -> u64 {
        if let Err(error) = self.table.published(rows).await {
            tracing::debug!(%error, "published events stay in the outbox for now");
        }
        rows.len() as u64
    }
}
