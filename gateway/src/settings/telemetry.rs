//! What the edge tells of single exchanges beside their access lines.

use std::time::Duration;

use http::Uri;

/// Which exchanges are told in the process's log because they took long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// Those that took so long or longer, on routes that do not say. None: none there.
    pub over: Option<Duration>,
    /// So many a second; the others are counted.
    pub per_second: u32,
}

/// Enough to see a pattern, and no flood on the day on which everything is slow.
const SLOW_PER_SECOND: u32 = 10;

impl Default for Slow {
    fn default() -> Self {
        Self { over: None, per_second: SLOW_PER_SECOND }
    }
}

/// Where traces are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// Where a collector takes spans by OTLP over HTTP.
    pub endpoint: Uri,
    /// So many of the series that begin here are sent, a second on average. Whether one of a trusted
    /// peer is, that peer has decided.
    pub per_second: u32,
}

/// Where a collector takes spans, below its address, unless it is told otherwise.
pub const TRACES_PATH: &str = "/v1/traces";
/// Cheap for edge and collector, and more than anybody looks at.
pub const TRACES_PER_SECOND: u32 = 100;
