//! What tests of several parts begin with.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use headgate_config::{Loaded, Memory, load_from};
use headgate_events::{EmbeddedLog, Log, Topics};
use headgate_store::{Settings, Store};
use headgate_types::Clock;

use crate::clock::SystemClock;

/// A log that edges share, and its clock.
pub(crate) struct SharedLog {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    _folder: tempfile::TempDir,
}

impl SharedLog {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &Settings::default()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let log = EmbeddedLog::new(store, Topics::default(), Arc::clone(&clock));
        Self { log: Arc::new(log), clock, _folder: folder }
    }
}

/// A configuration in which nothing is said.
pub(crate) fn loaded() -> Loaded {
    let files = Memory::default().with("headgate.toml", "");
    load_from(&files, Path::new("headgate.toml"), &BTreeMap::new()).unwrap()
}
