//! Opens the store of idempotency records, and looks after it while the edge serves.

use std::{sync::Arc, time::Duration};

use headgate_config as config;
use headgate_gateway::server::Task;
use headgate_idempotency::{OsRandom, Records, Settings};
use headgate_store::{Batch, Done, Error, Store};
use headgate_telemetry::{Metrics, StoreCounts, StoreMetrics};
use headgate_types::Clock;
use tokio::time::{MissedTickBehavior, interval};

use crate::exit::Invalid;

/// Time between two looks at what the store counts.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks between two sweeps of what has expired.
const LOOKS_PER_SWEEP: u32 = 10;
/// Steps of one sweep at most; what is left is for the next.
const SWEEP_STEPS_MAX: usize = 10_000;

/// The store, as far as a route needs one and it could be opened.
pub(crate) struct Opened {
    store: Option<Store>,
    /// None when no route needs a store.
    metrics: Option<StoreMetrics>,
}

impl Opened {
    /// Opens the store that the routes need, if any does. One that can't be opened is told and
    /// done without: the edge serves what needs no store.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when another process has the folder: as with a port in use, this one is one too
    /// many.
    pub(crate) fn open(
        records: Option<&config::Records>,
        metrics: &Metrics,
    ) -> Result<Self, Invalid> {
        let Some(config::Records::Embedded { dir }) = records else {
            return Ok(Self { store: None, metrics: None });
        };
        let store = match Store::open(dir, &headgate_store::Settings::default()) {
            Ok(store) => Some(store),
            Err(error @ Error::Locked { .. }) => {
                return Err(Invalid::message(format!("{error} (data.dir, {})", error.code())));
            }
            Err(error) => {
                let code = error.code();
                let reason = Invalid::new(error);
                tracing::error!(code, %reason, "store can't be used; idempotency keys are refused");
                None
            }
        };
        let opened = Self { store, metrics: Some(metrics.store()) };
        opened.observe();
        Ok(opened)
    }

    /// The records in the store.
    pub(crate) fn records(&self, clock: &Arc<dyn Clock>) -> Option<Records> {
        let store = self.store.clone()?;
        let mut settings = Settings::default();
        // One process on one machine writes and judges every lease, by one clock.
        settings.skew = Duration::ZERO;
        Some(Records::new(Arc::new(store), Arc::clone(clock), Arc::new(OsRandom), settings))
    }

    /// Takes over the store's counts and removes what has expired, until the edge ends. None when
    /// there is nothing to look after.
    pub(crate) fn upkeep(&self, clock: &Arc<dyn Clock>) -> Option<Task> {
        let metrics = self.metrics.clone()?;
        let this = Self { store: self.store.clone(), metrics: Some(metrics) };
        let clock = Arc::clone(clock);
        Some(Box::new(|mut shutdown| {
            Box::pin(async move {
                tokio::select! {
                    () = this.look_after(clock) => {}
                    // A sender that is gone means the same as one that says stop.
                    _stopped = shutdown.wait_for(|stop| *stop) => {}
                }
            })
        }))
    }

    async fn look_after(&self, clock: Arc<dyn Clock>) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut number = 0_u32;
        loop {
            looks.tick().await;
            self.observe();
            number = number.wrapping_add(1);
            if number.is_multiple_of(LOOKS_PER_SWEEP)
                && let Some(store) = &self.store
            {
                sweep(store, &*clock).await;
            }
        }
    }

    fn observe(&self) {
        let Some(metrics) = &self.metrics else { return };
        let Some(store) = &self.store else {
            return metrics.observe(StoreCounts { is_closed: true, ..StoreCounts::default() });
        };
        let stats = store.stats();
        metrics.observe(StoreCounts {
            acknowledged: stats.acknowledged,
            refused: stats.refused,
            groups: stats.groups,
            busy: stats.busy,
            waiting: stats.waiting,
            is_closed: stats.closed.is_some(),
        });
    }
}

/// Removes what has expired, a step at a time, so that live batches pass in between.
async fn sweep(store: &Store, clock: &dyn Clock) {
    for _ in 0..SWEEP_STEPS_MAX {
        // A store that is closed or busy has said so; the next sweep comes.
        let Ok(ack) = store.commit(Batch::sweep(clock.unix_time())).await else { return };
        let [Done::Removed { more: true, .. }] = ack.done.as_slice() else { return };
    }
}
