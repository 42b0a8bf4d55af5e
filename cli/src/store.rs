//! Opens the stores, and looks after the embedded one while the edge serves.

use std::{path::Path, sync::Arc, time::Duration};

use headgate_config::{self as config, LOCAL_REGION};
use headgate_gateway::server::Task;
use headgate_idempotency::{
    DynamoDb, OsRandom, Records, Settings, StoreError,
    dynamodb::{Credentials, Settings as TableSettings},
};
use headgate_store::{Batch, Done, Engine, Error, Movable, Remote, Store};
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

/// The stores of this process, as far as they could be opened.
#[derive(Default)]
pub(crate) struct Stores {
    /// The embedded one. None where there is no folder for it.
    local: Option<Local>,
    /// Where idempotency records are, if they are not in the embedded one.
    table: Option<Table>,
}

/// The embedded store; none when it could not be opened.
struct Local {
    store: Option<(Store, Arc<Movable>)>,
    metrics: StoreMetrics,
}

/// A table of DynamoDB; none when its client could not be made.
struct Table(Option<DynamoDb>);

impl Stores {
    /// Opens the embedded store, where there is a folder for it. One that can't be opened is told
    /// and done without: the edge serves what needs no store.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when another process has the folder: as with a port in use, this one is one too
    /// many.
    pub(crate) fn open_dir(dir: Option<&Path>, metrics: &Metrics) -> Result<Self, Invalid> {
        let Some(dir) = dir else { return Ok(Self::default()) };
        let opened = Movable::open(dir, &headgate_store::Settings::default()).and_then(in_front);
        let store = match opened {
            Ok(store) => Some(store),
            Err(error @ Error::Locked { .. }) => {
                return Err(Invalid::message(format!("{error} (data.dir, {})", error.code())));
            }
            Err(error) => {
                refused(error.code(), error);
                None
            }
        };
        Ok(Self::of(store, metrics))
    }

    /// Begins with the embedded store of another process, until that one lets go of it.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub(crate) fn remote(dir: &Path, remote: Remote, metrics: &Metrics) -> Result<Self, Error> {
        let settings = headgate_store::Settings::default();
        let store = in_front(Movable::remote(dir, &settings, remote))?;
        Ok(Self::of(Some(store), metrics))
    }

    fn of(store: Option<(Store, Arc<Movable>)>, metrics: &Metrics) -> Self {
        let metrics = metrics.store();
        observe(store.as_ref().map(|(store, _)| store), &metrics);
        Self { local: Some(Local { store, metrics }), table: None }
    }

    /// Makes the client of the table that idempotency records are kept in, if they are in one.
    ///
    /// # Errors
    ///
    /// When no runtime can be made to ask with.
    pub(crate) fn open_table(&mut self, records: Option<&config::Records>) -> anyhow::Result<()> {
        let Some(config::Records::DynamoDb { table, endpoint, region }) = records else {
            return Ok(());
        };
        let is_local = region.as_deref() == Some(LOCAL_REGION);
        let client = connect(TableSettings {
            table: table.clone(),
            endpoint: endpoint.clone(),
            region: region.clone(),
            credentials: if is_local { Credentials::Local } else { Credentials::Chain },
            ..TableSettings::default()
        })?;
        self.table = Some(Table(client));
        Ok(())
    }

    /// The embedded store. None where there is none, or it could not be opened.
    pub(crate) fn local(&self) -> Option<&Store> {
        self.local.as_ref()?.store.as_ref().map(|(store, _)| store)
    }

    /// The embedded store with its engine, which another process may take. None as with
    /// [`local`](Self::local).
    pub(crate) fn movable(&self) -> Option<(Store, Arc<Movable>)> {
        self.local.as_ref()?.store.clone()
    }

    /// The table that records are in. None where they are in none, or its client could not be made.
    pub(crate) fn table(&self) -> Option<&DynamoDb> {
        self.table.as_ref()?.0.as_ref()
    }

    /// Where idempotency records are kept: whatever routes come, they find their store open.
    pub(crate) fn records(&self, clock: &Arc<dyn Clock>) -> Option<Records> {
        let mut settings = Settings::default();
        let store: Arc<dyn headgate_idempotency::Store> = if let Some(Table(client)) = &self.table {
            Arc::new(client.clone()?)
        } else {
            // One process on one machine writes and judges every lease, by one clock.
            settings.skew = Duration::ZERO;
            Arc::new(self.local()?.clone())
        };
        Some(Records::new(store, Arc::clone(clock), Arc::new(OsRandom), settings))
    }

    /// Takes over what stores and records count, and removes what has expired from the embedded
    /// one, until the edge ends. None when there is nothing to look after.
    pub(crate) fn upkeep(
        &self,
        records: Option<Records>,
        metrics: &Metrics,
        clock: &Arc<dyn Clock>,
    ) -> Option<Task> {
        let local = self.local.as_ref();
        let local = local.map(|local| (self.local().cloned(), local.metrics.clone()));
        let table = self.table.as_ref().and_then(|Table(client)| client.clone()).map(|table| {
            let handles = metrics.dynamodb();
            let durations = handles.clone();
            table.observe(Arc::new(move |duration| durations.took(duration)));
            (table, handles)
        });
        if local.is_none() && table.is_none() {
            return None;
        }
        let keys = records.map(|records| (records, metrics.keys()));
        let watched = Watched { local, table, keys, clock: Arc::clone(clock) };
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

/// Makes the client, and the table where a stand-in has none. AWS is not asked: there the table is
/// made by whoever pays for it.
fn connect(settings: TableSettings) -> anyhow::Result<Option<DynamoDb>> {
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
    Ok(client.inspect_err(|error| refused(error.code(), error)).ok())
}

/// Puts a store in front of an engine.
fn in_front(engine: Movable) -> Result<(Store, Arc<Movable>), Error> {
    let engine = Arc::new(engine);
    let front = Arc::clone(&engine) as Arc<dyn Engine>;
    let store = Store::with_engine(front, &headgate_store::Settings::default())?;
    Ok((store, engine))
}

fn refused(code: &'static str, error: impl std::error::Error) {
    let reason = Invalid::new(error);
    tracing::error!(code, %reason, "store can't be used; idempotency keys are refused, and nothing is kept");
}

/// What is looked after.
struct Watched {
    local: Option<(Option<Store>, StoreMetrics)>,
    table: Option<(DynamoDb, DynamoDbMetrics)>,
    keys: Option<(Records, KeyMetrics)>,
    clock: Arc<dyn Clock>,
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
                && let Some((Some(store), _)) = &self.local
            {
                sweep(store, &*self.clock).await;
            }
        }
    }

    fn observe(&self) {
        if let Some((store, metrics)) = &self.local {
            observe(store.as_ref(), metrics);
        }
        if let Some((table, metrics)) = &self.table {
            let consumed = table.consumed();
            metrics.observe(DynamoDbCounts {
                requests: consumed.requests,
                retried: consumed.retries,
                throttled: consumed.throttled,
                lost: consumed.lost,
            });
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
