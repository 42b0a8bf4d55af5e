//! The configuration that a process begins with.

use std::{path::Path, sync::Arc};

use headgate_config::{Disk, Loaded};
use headgate_telemetry::Metrics;
use headgate_types::Clock;

use crate::{
    clock::SystemClock,
    reload::{
        loader::{Begin, Origin},
        past::Past,
        shelf::{Folded, Shelf},
    },
    store::Stores,
    upgrade::{Again, Error, TakeOver},
};

/// All that a process begins with.
pub(crate) struct Start {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) stores: Stores,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
    /// None where the configuration does not come from files.
    pub(crate) begin: Option<Begin>,
    /// How another process takes over. None: none does.
    pub(crate) again: Option<Again>,
    /// What this process takes over from. None: it begins by itself.
    pub(crate) take_over: Option<TakeOver>,
}

impl Start {
    /// A configuration that stays as it is.
    ///
    /// # Errors
    ///
    /// As [`Stores::open_dir`].
    pub(crate) fn fixed(loaded: Loaded) -> anyhow::Result<Self> {
        let metrics = Metrics::new();
        let mut stores = Stores::open_dir(loaded.data_dir.as_deref(), &metrics)?;
        stores.open_table(loaded.records.as_ref())?;
        let (loaded, clock) = (Arc::new(loaded), Arc::new(SystemClock));
        let (begin, again, take_over) = (None, None, None);
        Ok(Self { loaded, stores, metrics, clock, begin, again, take_over })
    }

    /// Loads from files, with what was kept in place of parts that are at fault.
    ///
    /// # Errors
    ///
    /// Faults of the platform's file, where none was kept; any fault with `is_strict`; and as
    /// [`Stores::open_dir`].
    pub(crate) fn of(path: &Path, is_strict: bool) -> anyhow::Result<Self> {
        let origin = origin(path, is_strict)?;
        let metrics = Metrics::new();
        // The folder is named by a file that may be broken elsewhere.
        let data_dir = headgate_config::data_dir(&Disk, path, &origin.environment);
        let stores = Stores::open_dir(data_dir.as_deref(), &metrics)?;
        Self::load(origin, stores, metrics, None)
    }

    /// Loads from files what a running edge is to be taken over with, which keeps the store as yet.
    ///
    /// # Errors
    ///
    /// [`Error`], where there is no such edge; any fault of the platform's file, since what was
    /// last good runs already; any fault with `is_strict`.
    pub(crate) fn taking_over(path: &Path, is_strict: bool) -> anyhow::Result<Self> {
        let origin = origin(path, is_strict)?;
        let metrics = Metrics::new();
        let data_dir = headgate_config::data_dir(&Disk, path, &origin.environment);
        let data_dir = data_dir.ok_or(Error::NoFolder)?;
        let mut take_over = TakeOver::begin(&data_dir)?;
        let stores = take_over.stores(&data_dir, &metrics)?;
        Self::load(origin, stores, metrics, Some(take_over))
    }

    /// Lets a process take over that is started so.
    pub(crate) fn again(self, again: Again) -> Self {
        Self { again: Some(again), ..self }
    }

    fn load(
        origin: Origin,
        mut stores: Stores,
        metrics: Metrics,
        take_over: Option<TakeOver>,
    ) -> anyhow::Result<Self> {
        let clock = Arc::new(SystemClock);
        let mut shelf = Shelf::new(stores.local().cloned());
        let kept = shelf.find().unwrap_or_else(|error| {
            tracing::error!(%error, "last good configuration can't be read");
            None
        });
        let folded = shelf.control(clock.unix_time()).unwrap_or_else(|error| {
            tracing::error!(%error, "operators' changes can't be read; the log has them");
            Folded::default()
        });
        let overlays = folded.in_force(clock.unix_time());
        let use_kept = take_over.is_none();
        let (loaded, reads) = origin.load(kept.as_ref(), &overlays, use_kept, clock.unix_time());
        let loaded = Arc::new(loaded?);
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "configuration loaded with a warning");
        }
        stores.open_table(loaded.records.as_ref())?;
        let past = Past::new(stores.local().cloned());
        let begin = Begin { origin, loaded: Arc::clone(&loaded), reads, shelf, folded, past };
        let (begin, again) = (Some(begin), None);
        Ok(Self { loaded, stores, metrics, clock, begin, again, take_over })
    }
}

/// Where the configuration is, without a fault if that is asked for.
fn origin(path: &Path, is_strict: bool) -> anyhow::Result<Origin> {
    let environment = headgate_config::environment();
    if is_strict {
        headgate_config::load_from(&Disk, path, &environment)?;
    }
    Ok(Origin { path: path.to_owned(), environment })
}
