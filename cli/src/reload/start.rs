//! The configuration that a process begins with.

use std::{path::Path, sync::Arc};

use headgate_config::{Disk, Loaded, Overlay};
use headgate_telemetry::Metrics;
use headgate_types::{Clock, UnixTime};

use crate::{
    clock::SystemClock,
    reload::{
        loader::{Begin, Origin},
        shelf::Shelf,
    },
    store::Stores,
};

/// All that a process begins with.
pub(crate) struct Start {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) stores: Stores,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
    /// None where the configuration does not come from files.
    pub(crate) begin: Option<Begin>,
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
        Ok(Self { loaded, stores, metrics, clock, begin: None })
    }

    /// Loads from files, with what was kept in place of parts that are at fault.
    ///
    /// # Errors
    ///
    /// Faults of the platform's file, where none was kept; any fault with `is_strict`; and as
    /// [`Stores::open_dir`].
    pub(crate) fn of(path: &Path, is_strict: bool) -> anyhow::Result<Self> {
        let environment = headgate_config::environment();
        if is_strict {
            headgate_config::load_from(&Disk, path, &environment)?;
        }
        let (metrics, clock) = (Metrics::new(), Arc::new(SystemClock));
        // The folder is named by a file that may be broken elsewhere.
        let data_dir = headgate_config::data_dir(&Disk, path, &environment);
        let mut stores = Stores::open_dir(data_dir.as_deref(), &metrics)?;
        let mut shelf = Shelf::new(stores.local().cloned());
        let kept = shelf.find().unwrap_or_else(|error| {
            tracing::error!(%error, "last good configuration can't be read");
            None
        });
        let (overlays, last_overlay) = overlays(&shelf, clock.unix_time());
        let origin = Origin { path: path.to_owned(), environment };
        let (loaded, reads) = origin.load(kept.as_ref(), &overlays, true, clock.unix_time());
        let loaded = Arc::new(loaded?);
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "configuration loaded with a warning");
        }
        stores.open_table(loaded.records.as_ref())?;
        let begin =
            Begin { origin, loaded: Arc::clone(&loaded), reads, shelf, overlays, last_overlay };
        Ok(Self { loaded, stores, metrics, clock, begin: Some(begin) })
    }
}

fn overlays(shelf: &Shelf, now: UnixTime) -> (Vec<Overlay>, u64) {
    let (overlays, last) = shelf.overlays(now).unwrap_or_else(|error| {
        tracing::error!(%error, "overlays can't be read");
        (Vec::new(), 0)
    });
    // A number that was lost is not given twice as long as the overlay that had it is there.
    let highest = overlays.iter().map(|overlay| overlay.id).max().unwrap_or_default();
    (overlays, last.max(highest))
}
