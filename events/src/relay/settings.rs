//! What can be tuned.

use std::{num::NonZeroUsize, time::Duration};

/// Between two looks through the outbox: 16 small reads.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// How old an entry is before a sweep takes it: until then whoever committed it is publishing it.
const GRACE: Duration = Duration::from_secs(2);

/// How long a relay that is not heard of keeps the others from sweeping.
const LEASE: Duration = Duration::from_secs(10);

/// Entries that wait to be published at once: a second of ten thousand commits.
const WAITING_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// Entries that are appended together at most.
pub(super) const ROWS_MAX: usize = 256;

/// What can be tuned. All take effect when the relay is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Between two looks through the outbox.
    pub sweep_every: Duration,
    /// How old an entry is before a sweep takes it.
    pub grace: Duration,
    /// How long a relay that is not heard of keeps the others from sweeping.
    pub lease: Duration,
    /// Entries that wait to be published at once; beyond that they are left to sweeps.
    pub waiting_max: NonZeroUsize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sweep_every: SWEEP_EVERY, grace: GRACE, lease: LEASE, waiting_max: WAITING_MAX }
    }
}
