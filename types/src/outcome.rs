//! How an exchange ended.

use std::fmt;

/// How an exchange ended, kept apart from its HTTP status.
///
/// After the status categories of Netflix's Zuul 2, extended for shedding and events. Every
/// exchange has exactly one, so that per route arrivals equal the sum over outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The origin answered below 500.
    Ok,
    /// A fallback answered in the origin's place.
    OkDegraded,
    /// No route matched.
    NoRoute,
    /// No credential, or one that is not good.
    DeniedAuth,
    /// A good credential that may not do this.
    DeniedPolicy,
    /// A request that is no valid HTTP, or that the edge can't pass on.
    ClientBadRequest,
    /// The client was too slow in sending its request.
    ClientTimeout,
    /// A header or body above its limit.
    ClientTooLarge,
    /// The client left before the answer had ended.
    ClientCancelled,
    /// A rate limit was reached.
    LimitedRate,
    /// A concurrency or connection limit was reached.
    LimitedConcurrency,
    /// Refused by its priority: the upstream can't serve everything.
    ShedPriority,
    /// Refused by its priority: the edge itself can't serve everything.
    ShedOverload,
    /// Not even tried: the origin fails too often.
    BreakerOpen,
    /// The route wants an `idempotency-key` and the request has none.
    IdempotencyMissing,
    /// The key belongs to another request, or to one whose answer can't be repeated.
    IdempotencyConflict,
    /// The first request with the key is still being served.
    IdempotencyBusy,
    /// The store that the request needs can't be asked.
    StoreUnavailable,
    /// The upstream has no endpoint that can be asked, or the keys to check a credential are
    /// out of reach.
    OriginUnhealthy,
    /// No connection to the origin.
    OriginConnect,
    /// The origin broke off, or answered what is no valid HTTP.
    OriginReset,
    /// The origin did not answer within its time.
    OriginTimeout,
    /// The exchange's own deadline passed.
    DeadlineExceeded,
    /// The origin answered 500 or above.
    Origin5xx,
    /// A fault of the edge itself.
    Internal,
}

/// Whether a client should try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryAdvice {
    /// Trying again will not help.
    No,
    /// Trying again at once may help.
    Yes,
    /// Trying again helps after the time that the answer names.
    After,
    /// The edge has no say: the origin answered, or nobody reads the answer.
    Unstated,
}

impl Outcome {
    /// All outcomes that the edge can reach.
    pub const ALL: [Self; 25] = [
        Self::Ok,
        Self::OkDegraded,
        Self::NoRoute,
        Self::DeniedAuth,
        Self::DeniedPolicy,
        Self::ClientBadRequest,
        Self::ClientTimeout,
        Self::ClientTooLarge,
        Self::ClientCancelled,
        Self::LimitedRate,
        Self::LimitedConcurrency,
        Self::ShedPriority,
        Self::ShedOverload,
        Self::BreakerOpen,
        Self::IdempotencyMissing,
        Self::IdempotencyConflict,
        Self::IdempotencyBusy,
        Self::StoreUnavailable,
        Self::OriginUnhealthy,
        Self::OriginConnect,
        Self::OriginReset,
        Self::OriginTimeout,
        Self::DeadlineExceeded,
        Self::Origin5xx,
        Self::Internal,
    ];

    /// The word used in answers, metrics, logs and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::OkDegraded => "ok_degraded",
            Self::NoRoute => "no_route",
            Self::DeniedAuth => "denied_auth",
            Self::DeniedPolicy => "denied_policy",
            Self::ClientBadRequest => "client_bad_request",
            Self::ClientTimeout => "client_timeout",
            Self::ClientTooLarge => "client_too_large",
            Self::ClientCancelled => "client_cancelled",
            Self::LimitedRate => "limited_rate",
            Self::LimitedConcurrency => "limited_concurrency",
            Self::ShedPriority => "shed_priority",
            Self::ShedOverload => "shed_overload",
            Self::BreakerOpen => "breaker_open",
            Self::IdempotencyMissing => "idempotency_missing",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::IdempotencyBusy => "idempotency_busy",
            Self::StoreUnavailable => "store_unavailable",
            Self::OriginUnhealthy => "origin_unhealthy",
            Self::OriginConnect => "origin_connect",
            Self::OriginReset => "origin_reset",
            Self::OriginTimeout => "origin_timeout",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Origin5xx => "origin_5xx",
            Self::Internal => "internal",
        }
    }

    /// Position in [`Outcome::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// What a client should do.
    pub const fn retry(self) -> RetryAdvice {
        match self {
            Self::NoRoute
            | Self::DeniedAuth
            | Self::DeniedPolicy
            | Self::ClientBadRequest
            | Self::ClientTooLarge
            | Self::IdempotencyMissing
            | Self::IdempotencyConflict
            | Self::Internal => RetryAdvice::No,
            Self::ClientTimeout
            | Self::OriginConnect
            | Self::OriginReset
            | Self::OriginTimeout
            | Self::DeadlineExceeded => RetryAdvice::Yes,
            Self::LimitedRate
            | Self::LimitedConcurrency
            | Self::ShedPriority
            | Self::ShedOverload
            | Self::BreakerOpen
            | Self::IdempotencyBusy
            | Self::StoreUnavailable
            | Self::OriginUnhealthy => RetryAdvice::After,
            Self::Ok | Self::OkDegraded | Self::ClientCancelled | Self::Origin5xx => {
                RetryAdvice::Unstated
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
