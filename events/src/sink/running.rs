//! A sink that runs.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{sync::watch, task::JoinHandle};

use super::{error::SinkError, run::Run, settings::Settings, table::Database};
use crate::{log::Log, topic::Topics};

/// A running sink. Dropped, it stops where it stands; what is not written comes again.
#[derive(Debug)]
pub struct Sink {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    counts: Arc<Counts>,
}

/// What a sink has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Events that were written, or gave way to a row that was there.
    pub written: u64,
    /// Events that do not fit their table.
    pub rejected: u64,
    /// Transactions that were tried again because the database was not there.
    pub retried: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) written: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) retried: AtomicU64,
}

impl Sink {
    /// Makes or checks the tables and their topics, joins a group for each, and starts on tokio's
    /// current runtime.
    ///
    /// # Errors
    ///
    /// [`SinkError`]: the settings contradict themselves, the database is not there, a table is not
    /// as it must be, or the group can't be joined.
    pub async fn start(
        settings: Settings,
        log: Arc<dyn Log>,
        topics: &Topics,
    ) -> Result<Self, SinkError> {
        settings.validate()?;
        let wanted: Vec<_> = settings.tables.iter().map(|table| topics.get(&table.topic)).collect();
        log.ensure(&wanted).await?;
        let (stop, stopped) = watch::channel(false);
        let counts = Arc::new(Counts::default());
        let mut sink = Self { stop, tasks: Vec::new(), counts: Arc::clone(&counts) };
        let settings = Arc::new(settings);
        for number in 0..settings.tables.len() {
            let database = Database::open(Arc::clone(&settings), number).await?;
            let run = Run::start(database, Arc::clone(&log), Arc::clone(&counts)).await?;
            sink.tasks.push(tokio::spawn(run.until(stopped.clone())));
        }
        Ok(sink)
    }

    /// What it has done.
    pub fn done(&self) -> Done {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { written, rejected, retried } = &*self.counts;
        Done { written: read(written), rejected: read(rejected), retried: read(retried) }
    }

    /// Takes no more events, and writes those that it has unless the database is down.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(%error, "sink did not stop in order");
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
