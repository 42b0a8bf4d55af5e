//! What metrics count.

/// What one of a metric is; the last word of its name, `_total` aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Attempts at an upstream.
    Attempts,
    /// Batches of the store.
    Batches,
    /// Bytes.
    Bytes,
    /// Checks of endpoints.
    Checks,
    /// Connections.
    Connections,
    /// Deliveries of events to handlers.
    Deliveries,
    /// Events.
    Events,
    /// Facts of requests.
    Facts,
    /// Fetches of keys.
    Fetches,
    /// A yes or no: 1 or 0.
    Flag,
    /// Endpoints of upstreams.
    Endpoints,
    /// Groups of batches.
    Groups,
    /// TLS handshakes.
    Handshakes,
    /// Request heads.
    Heads,
    /// A label that says something; the value is 1.
    Info,
    /// Idempotency keys.
    Keys,
    /// Access lines.
    Lines,
    /// Lookups in a cache.
    Lookups,
    /// Values that stand over the files'.
    Overlays,
    /// Passports.
    Passports,
    /// Ranks of requests, from 0 to 511.
    Ranks,
    /// A share, from 0 on; 1 is the whole.
    Ratio,
    /// Loads of the configuration.
    Reloads,
    /// Requests.
    Requests,
    /// Runs of handlers.
    Runs,
    /// Seconds, with fractions.
    Seconds,
    /// Spans of traces.
    Spans,
    /// Writes of the store of records.
    Writes,
}

impl Unit {
    /// The word in names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Batches => "batches",
            Self::Bytes => "bytes",
            Self::Checks => "checks",
            Self::Connections => "connections",
            Self::Deliveries => "deliveries",
            Self::Events => "events",
            Self::Facts => "facts",
            Self::Fetches => "fetches",
            Self::Flag => "flag",
            Self::Endpoints => "endpoints",
            Self::Groups => "groups",
            Self::Handshakes => "handshakes",
            Self::Heads => "heads",
            Self::Info => "info",
            Self::Keys => "keys",
            Self::Lines => "lines",
            Self::Lookups => "lookups",
            Self::Overlays => "overlays",
            Self::Passports => "passports",
            Self::Ranks => "ranks",
            Self::Ratio => "ratio",
            Self::Reloads => "reloads",
            Self::Requests => "requests",
            Self::Runs => "runs",
            Self::Seconds => "seconds",
            Self::Spans => "spans",
            Self::Writes => "writes",
        }
    }
}
