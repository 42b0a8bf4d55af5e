//! What publishers, consumers and whoever looks after dead letters work with.

use std::sync::Arc;

use headgate_idempotency::{Random, Records};
use headgate_telemetry::Metrics;
use headgate_types::Clock;

use crate::{Delays, Log, Notify, Topics, results::Results, series::SeriesControls};

/// Whoever carries on what a commit emitted where the log is not the store's own.
pub trait Nudge: std::fmt::Debug + Send + Sync + 'static {
    /// Something was emitted just now.
    fn nudge(&self);
}

/// What everything here works with. Clones share it.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The records of what was handled, in the store that also has the delay queues.
    pub records: Records,
    /// The delay queues.
    pub delays: Arc<dyn Delays>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// What is said of topics.
    pub topics: Topics,
    /// Whoever is told of errors.
    pub notify: Arc<dyn Notify>,
    /// Whoever waits for what handlers make of an event. None: nobody.
    pub results: Option<Results>,
    /// What operators say of series. None: nobody says anything, and all go on.
    pub series: Option<SeriesControls>,
    /// Whoever carries on what commits emit. None: the log has it with the commit.
    pub relay: Option<Arc<dyn Nudge>>,
    /// Counts. None: nothing is counted.
    pub metrics: Option<Metrics>,
}
