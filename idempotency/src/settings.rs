//! What can be tuned, and what would be a silent hole.

use std::time::Duration;

use headgate_types::format_duration;

/// Longer than most handlers, and short enough to wait for when a worker dies.
const LEASE: Duration = Duration::from_secs(30);
/// Below it a beat every third would mostly be store traffic.
const LEASE_MIN: Duration = Duration::from_millis(100);
/// Stripe keeps results for at least a day, and Restate for one.
const TTL: Duration = Duration::from_hours(24);
/// Far above what machines with NTP differ by.
const SKEW: Duration = Duration::from_secs(2);

/// How records are kept and claims judged. All of it is read at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a claim holds without a beat, unless the claim says otherwise. A crashed worker's
    /// key waits so long; a live one beats every third of it.
    pub lease: Duration,
    /// How long an outcome is kept from its commit on, unless the claim says otherwise.
    pub ttl: Duration,
    /// How far the clocks of workers may differ before one takes over early. It is waited on top of
    /// a lease that somebody else's clock wrote.
    pub skew: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lease: LEASE, ttl: TTL, skew: SKEW }
    }
}

/// For how long an event can come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redelivery {
    /// How long the topic keeps events. None: for ever.
    pub retention: Option<Duration>,
    /// How long after that a dead letter may still be brought back.
    pub redrive: Duration,
    /// Whether settled offsets are remembered, which closes the hole for what comes from the log.
    pub watermark: bool,
}

/// Settings that would let an event take effect twice, or that can't work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsFault {
    /// A record is forgotten while its event can still come again.
    #[error(
        "records are kept for {}, but an event can come again for {}",
        format_duration(*ttl),
        window.map_or_else(|| "ever".into(), format_duration)
    )]
    TtlBelowRedelivery {
        /// How long a record is kept.
        ttl: Duration,
        /// How long an event can come again. None: for ever.
        window: Option<Duration>,
    },
    /// The lease is too short to be renewed in time.
    #[error("a lease of {} is below {}", format_duration(*lease), format_duration(LEASE_MIN))]
    LeaseTooShort {
        /// The lease.
        lease: Duration,
    },
    /// A record would expire while it is worked on.
    #[error("records are kept for {}, less than the lease of {}", format_duration(*ttl), format_duration(*lease))]
    TtlBelowLease {
        /// How long a record is kept.
        ttl: Duration,
        /// The lease.
        lease: Duration,
    },
}

impl Settings {
    /// Finds everything that is wrong, given how long events can come again. None: only requests
    /// are keyed, whose clients are told the time to live.
    ///
    /// # Errors
    ///
    /// All faults, at least one.
    pub fn validate(&self, redelivery: Option<Redelivery>) -> Result<(), Vec<SettingsFault>> {
        let (lease, ttl) = (self.lease, self.ttl);
        let mut faults = Vec::new();
        if lease < LEASE_MIN {
            faults.push(SettingsFault::LeaseTooShort { lease });
        }
        if ttl < lease {
            faults.push(SettingsFault::TtlBelowLease { ttl, lease });
        }
        if let Some(redelivery) = redelivery.filter(|redelivery| !redelivery.watermark) {
            let window = redelivery.retention.map(|kept| kept.saturating_add(redelivery.redrive));
            if window.is_none_or(|window| ttl < window) {
                faults.push(SettingsFault::TtlBelowRedelivery { ttl, window });
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests;
