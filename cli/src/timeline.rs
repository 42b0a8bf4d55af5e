//! The timeline: every move of a limit, every breaker's transition, every change of the
//! configuration and what people did to dead letters and held keys, with its reason. It is kept in
//! the embedded store, and told to the other edges of the log.

mod changes;
mod coalesced;
mod own;
mod page;
mod shared;
mod watched;

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use headgate_admin::{self as admin, History, HistoryAsk, HistoryEntry, HistoryPlace};
use headgate_events::{Log, Topic};
use headgate_gateway::server::Task;
use headgate_store::Store;
use headgate_telemetry::Metrics;
use headgate_types::{Clock, UnixTime};
use tokio::{sync::watch, task::spawn_blocking};

pub(crate) use self::watched::Watched;
use self::{
    changes::Changes,
    own::Own,
    page::{Side, joined},
    shared::Shared,
};
use crate::reload::Running;

/// What has moved and changed. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    own: Own,
    /// None: there is no log that edges share.
    shared: Option<Arc<Shared>>,
    node: Arc<str>,
    running: watch::Receiver<Arc<Running>>,
    clock: Arc<dyn Clock>,
}

/// This edge's name in what it tells other edges: the machine's with the port of its admin listener.
pub(crate) fn node(admin: SocketAddr) -> String {
    let machine = rustix::system::uname();
    format!("{}:{}", machine.nodename().to_string_lossy(), admin.port())
}

impl Timeline {
    /// Keeps entries in the store, or in memory where there is none. May wait for the disk.
    pub(crate) fn new(
        store: Option<&Store>,
        (node, running): (String, &watch::Receiver<Arc<Running>>),
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (node, running, clock) = (node.into(), running.clone(), Arc::clone(clock));
        Self { own: Own::of(store), shared: None, node, running, clock }
    }

    /// Tells entries to the other edges of a log too. May wait for the disk.
    pub(crate) fn shared(self, log: Option<(Arc<dyn Log>, Topic)>, metrics: &Metrics) -> Self {
        let shared = log.map(|log| Shared::new(log, self.own.origin(), metrics.timeline()));
        Self { shared: shared.map(Arc::new), ..self }
    }

    /// What tells entries to the other edges. None: there are none.
    pub(crate) fn task(&self) -> Option<Task> {
        self.shared.as_ref().and_then(|shared| shared.task())
    }

    /// Writes entries of this moment; without any, only what waits is told.
    ///
    /// # Cancel safety
    ///
    /// Entries that are being written are written all the same.
    async fn write(&self, mut entries: Vec<HistoryEntry>) {
        let time = self.clock.unix_time();
        if !entries.is_empty() {
            let digest = self.running.borrow().loaded.digest.clone();
            for entry in &mut entries {
                entry.time = time.to_string();
                entry.node = Some(self.node.to_string());
                entry.digest = Some(digest.clone());
            }
        }
        if let Some(shared) = &self.shared {
            shared.tell(&self.node, &entries, (self.clock.now(), time));
        }
        self.own.write(entries, time).await;
    }

    async fn trim(&self) {
        self.own.trim(&*self.clock).await;
    }

    async fn read(&self, ask: HistoryAsk) -> History {
        let now = self.clock.unix_time().as_duration();
        let since = UnixTime::from_duration(now.saturating_sub(ask.since));
        let from = ask.after.unwrap_or_default();
        let own = self.own.clone();
        let own = spawn_blocking(move || own.read(since, from.own)).await;
        let own = own.unwrap_or_else(|error| {
            tracing::error!(%error, "timeline can't be read");
            Side::default()
        });
        let shared = match &self.shared {
            Some(shared) => shared.read(since, from.shared).await,
            None => Ok(Side::default()),
        };
        let (shared, fault) = match shared {
            Ok(shared) => (shared, None),
            Err(error) => (Side::default(), Some(error.to_string())),
        };
        let (mut entries, next) = joined((own, shared), from);
        entries.retain(|entry| ask.wants(entry));
        // The log has them as they came to it.
        entries.sort_by(|one, other| one.time.cmp(&other.time));
        let (next, is_kept) =
            (next.map(|place: HistoryPlace| place.to_string()), self.own.is_kept());
        History { entries, next, is_kept, fault }
    }
}

impl admin::Timeline for Timeline {
    fn page(&self, ask: HistoryAsk) -> Pin<Box<dyn Future<Output = History> + Send + '_>> {
        Box::pin(self.read(ask))
    }

    fn note(&self, entry: HistoryEntry) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.write(vec![entry]))
    }
}

#[cfg(test)]
mod tests;
