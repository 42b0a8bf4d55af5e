//! Finds what nobody published.

use std::{collections::BTreeMap, sync::Arc, sync::atomic::Ordering};

use headgate_idempotency::{
    StoreError,
    dynamodb::{Outgoing, SHARDS},
};
use headgate_types::Clock;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{Settings, Way, lease::Lease, settings::ROWS_MAX};

/// Looks through the outbox again and again.
#[derive(Debug)]
pub(super) struct Sweep {
    way: Way,
    lease: Lease,
    clock: Arc<dyn Clock>,
    settings: Settings,
    /// Entries that were there at the last look, and since when: by it an entry's age is known also
    /// when clocks differ.
    seen: BTreeMap<String, Instant>,
}

impl Sweep {
    pub(super) fn new(way: Way, lease: Lease, clock: Arc<dyn Clock>, settings: Settings) -> Self {
        Self { way, lease, clock, settings, seen: BTreeMap::new() }
    }

    pub(super) async fn until(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.sweep(&stopped).await {
                tracing::debug!(%error, "the outbox is swept later");
            }
            let stopped = stopped.wait_for(|stopped| *stopped);
            if timeout(self.settings.sweep_every, stopped).await.is_ok() {
                return;
            }
        }
    }

    async fn sweep(&mut self, stopped: &watch::Receiver<bool>) -> Result<(), StoreError> {
        let mut seen = BTreeMap::new();
        for shard in 0..SHARDS {
            // As long as there is more and it can be carried on.
            while !*stopped.borrow() && self.lease.hold().await? {
                let rows = self.way.table.outbox(shard, ROWS_MAX).await?;
                let (old, young): (Vec<_>, Vec<_>) =
                    rows.into_iter().partition(|row| self.is_old(row));
                seen.extend(young.iter().map(|row| self.since(row)));
                let published = self.way.publish(&old).await;
                self.way.carried.swept.fetch_add(published, Ordering::Relaxed);
                if old.len() < ROWS_MAX || published == 0 {
                    break;
                }
            }
        }
        self.seen = seen;
        Ok(())
    }

    /// Whether whoever committed an entry has had its time to publish it.
    fn is_old(&self, row: &Outgoing) -> bool {
        let Settings { grace, .. } = self.settings;
        let is_old = |seen: &Instant| seen.elapsed() >= grace;
        self.clock.unix_time().since(row.time) >= grace
            || self.seen.get(row.id()).is_some_and(is_old)
    }

    fn since(&self, row: &Outgoing) -> (String, Instant) {
        let since = self.seen.get(row.id()).copied().unwrap_or_else(Instant::now);
        (row.id().to_owned(), since)
    }
}
