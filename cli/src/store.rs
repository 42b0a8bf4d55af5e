//! Opens the store of idempotency records, and looks after it while the edge serves.

use std::{path::Path, sync::Arc, time::Duration};

use headgate_config::{self as config, LOCAL_REGION};
use headgate_gateway::server::Task;
use headgate_idempotency::{
    DynamoDb, OsRandom, Records, Settings, StoreError,
    dynamodb::{Credentials, Settings as Table},
};
use headgate_store::{Batch, Done, Error, Store};
use headgate_telemetry::{
    DynamoDbCounts, DynamoDbMetrics, KeyCounts, KeyMetrics, Metrics, StoreCounts, StoreMetrics,
};
use headgate_types::Clock;
use tokio::{
    runtime,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::exit::Invalid;

/// Time between two looks at what the store counts.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks between two sweeps of what has expired.
const LOOKS_PER_SWEEP: u32 = 10;
/// Steps of one sweep at most; what is left is for the next.
const SWEEP_STEPS_MAX: usize = 10_000;
/// How long the start waits for a stand-in to have its table.
const TABLE_WITHIN: Duration = Duration::from_secs(5);

/// The store, as far as a route needs one and it could be opened.
pub(crate) enum Opened {
    /// No route needs one.
    Unneeded,
    /// The embedded one; none when it could not be opened.
    Embedded(Option<Store>, StoreMetrics),
    /// A table of DynamoDB; none when its client could not be made.
    DynamoDb(Option<DynamoDb>),
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
    ) -> anyhow::Result<Self> {
        match records {
            Some(config::Records::Embedded { dir }) => Ok(Self::embedded(dir, metrics.store())?),
            Some(config::Records::DynamoDb { table, endpoint, region }) => {
                let is_local = region.as_deref() == Some(LOCAL_REGION);
                Self::table(Table {
                    table: table.clone(),
                    endpoint: endpoint.clone(),
                    region: region.clone(),
                    credentials: if is_local { Credentials::Local } else { Credentials::Chain },
                    ..Table::default()
                })
            }
            _ => Ok(Self::Unneeded),
        }
    }

    fn embedded(dir: &Path, metrics: StoreMetrics) -> Result<Self, Invalid> {
        let store = match Store::open(dir, &headgate_store::Settings::default()) {
            Ok(store) => Some(store),
            Err(error @ Error::Locked { .. }) => {
                return Err(Invalid::message(format!("{error} (data.dir, {})", error.code())));
            }
            Err(error) => {
                refused(error.code(), error);
                None
            }
        };
        observe(store.as_ref(), &metrics);
        Ok(Self::Embedded(store, metrics))
    }

    /// Makes the client, and the table where a stand-in has none. AWS is not asked: there the
    /// table is made by whoever pays for it.
    fn table(settings: Table) -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        if settings.endpoint.is_some() {
            // With a client of its own, whose connections end with this runtime.
            let made = async { DynamoDb::connect(settings.clone()).await?.create_table().await };
            let made = runtime.block_on(async { timeout(TABLE_WITHIN, made).await });
            let late = || StoreError::Unavailable("the table is not there in time".to_owned());
            if let Err(error) = made.map_err(|_elapsed| late()).flatten() {
                tracing::warn!(code = error.code(), %error, "table of idempotency keys not made");
            }
        }
        let client = runtime.block_on(DynamoDb::connect(settings));
        Ok(Self::DynamoDb(client.inspect_err(|error| refused(error.code(), error)).ok()))
    }

    /// The records in the store.
    pub(crate) fn records(&self, clock: &Arc<dyn Clock>) -> Option<Records> {
        let mut settings = Settings::default();
        let store: Arc<dyn headgate_idempotency::Store> = match self {
            Self::Embedded(store, _) => {
                // One process on one machine writes and judges every lease, by one clock.
                settings.skew = Duration::ZERO;
                Arc::new(store.clone()?)
            }
            Self::DynamoDb(table) => Arc::new(table.clone()?),
            Self::Unneeded => return None,
        };
        Some(Records::new(store, Arc::clone(clock), Arc::new(OsRandom), settings))
    }

    /// Takes over what store and records count, and removes what has expired from the embedded one,
    /// until the edge ends. None when there is nothing to look after.
    pub(crate) fn upkeep(
        &self,
        records: Option<Records>,
        metrics: &Metrics,
        clock: &Arc<dyn Clock>,
    ) -> Option<Task> {
        let kept = match self {
            Self::Unneeded | Self::DynamoDb(None) => return None,
            Self::Embedded(store, metrics) => Kept::Embedded(store.clone(), metrics.clone()),
            Self::DynamoDb(Some(table)) => {
                let handles = metrics.dynamodb();
                let durations = handles.clone();
                table.observe(Arc::new(move |duration| durations.took(duration)));
                Kept::DynamoDb(table.clone(), handles)
            }
        };
        let keys = records.map(|records| (records, metrics.keys()));
        let watched = Watched { kept, keys, clock: Arc::clone(clock) };
        Some(Box::new(|mut shutdown| {
            Box::pin(async move {
                tokio::select! {
                    () = watched.look_after() => {}
                    // A sender that is gone means the same as one that says stop.
                    _stopped = shutdown.wait_for(|stop| *stop) => {}
                }
            })
        }))
    }
}

fn refused(code: &'static str, error: impl std::error::Error) {
    let reason = Invalid::new(error);
    tracing::error!(code, %reason, "store can't be used; idempotency keys are refused");
}

/// What is looked after.
struct Watched {
    kept: Kept,
    keys: Option<(Records, KeyMetrics)>,
    clock: Arc<dyn Clock>,
}

/// What keeps the records.
enum Kept {
    Embedded(Option<Store>, StoreMetrics),
    DynamoDb(DynamoDb, DynamoDbMetrics),
}

impl Watched {
    async fn look_after(self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut number = 0_u32;
        loop {
            looks.tick().await;
            self.observe();
            number = number.wrapping_add(1);
            if number.is_multiple_of(LOOKS_PER_SWEEP)
                && let Kept::Embedded(Some(store), _) = &self.kept
            {
                sweep(store, &*self.clock).await;
            }
        }
    }

    fn observe(&self) {
        match &self.kept {
            Kept::Embedded(store, metrics) => observe(store.as_ref(), metrics),
            Kept::DynamoDb(table, metrics) => {
                let consumed = table.consumed();
                metrics.observe(DynamoDbCounts {
                    requests: consumed.requests,
                    retried: consumed.retries,
                    throttled: consumed.throttled,
                    lost: consumed.lost,
                });
            }
        }
        let Some((records, metrics)) = &self.keys else { return };
        let stats = records.stats();
        metrics.observe(KeyCounts {
            claimed: stats.claimed,
            taken_over: stats.taken_over,
            settled: stats.settled,
            replayed: stats.replayed,
            busy: stats.busy,
            conflicting: stats.conflicts,
            held: stats.held,
            resolved: stats.resolved,
            fenced: stats.fenced,
            in_doubt: stats.doubts,
        });
    }
}

fn observe(store: Option<&Store>, metrics: &StoreMetrics) {
    let Some(store) = store else {
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

/// Removes what has expired, a step at a time, so that live batches pass in between.
async fn sweep(store: &Store, clock: &dyn Clock) {
    for _ in 0..SWEEP_STEPS_MAX {
        // A store that is closed or busy has said so; the next sweep comes.
        let Ok(ack) = store.commit(Batch::sweep(clock.unix_time())).await else { return };
        let [Done::Removed { more: true, .. }] = ack.done.as_slice() else { return };
    }
}
