//! What can be tuned at a gate.

use std::time::Duration;

use headgate_types::Ratio;

use crate::overload::mode::Mode;

/// What can be tuned.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Off, observe or enforce.
    pub mode: Mode,
    /// Share of the limit that each class and those below it may use while higher classes ask for
    /// the rest. The reserve held back is never more than 1.25 times what the higher classes used
    /// at their peak of late, so a class alone may use everything.
    pub class_shares: [Ratio; 4],
    /// Guaranteed shares of the limit, by partition.
    pub partitions: Vec<Share>,
    /// Requests that may wait.
    pub queue_capacity: usize,
    /// How long a request of each class may wait; twice that for the highest while it is not known
    /// whether a deep cut of the limit was right.
    pub wait_max: [Duration; 4],
}

/// A partition's share of the limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    /// How much is guaranteed; zero where nothing is.
    pub guaranteed: Ratio,
    /// Whether it is kept free even while the partition does not use it, for calls that must not
    /// meet a full upstream. Otherwise the others borrow what is unused. A held share can be used
    /// up whatever the others hold.
    pub is_held: bool,
}

/// The shares of section "adaptive concurrency" in the concept page.
const CLASS_SHARES: [f64; 4] = [1.0, 0.95, 0.85, 0.6];
/// Long enough for a burst that users would not notice; background work is told sooner.
const WAIT_MAX: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_millis(500),
    Duration::from_millis(250),
    Duration::from_millis(250),
];
const QUEUE_CAPACITY: usize = 1024;

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            class_shares: CLASS_SHARES.map(|share| Ratio::new(share).unwrap_or_default()),
            partitions: Vec::new(),
            queue_capacity: QUEUE_CAPACITY,
            wait_max: WAIT_MAX,
        }
    }
}
