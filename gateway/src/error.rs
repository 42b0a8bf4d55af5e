//! What can end an exchange other than the origin's answer.

use std::time::Duration;

use headgate_router::overload::verdict::{ADMIT_ALL, Layer, Reason, Refusal};
use headgate_types::Outcome;

/// Why the edge answers in the origin's place.
///
/// Messages are for the access log; what a client reads is decided by `step/respond.rs` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No route matches.
    #[error("no route matches")]
    NoRoute,
    /// The route wants a credential and there is none.
    #[error("no credential")]
    CredentialMissing,
    /// The credential is not good.
    #[error("credential is not valid")]
    CredentialInvalid,
    /// The keys that would verify the credential are out of reach.
    #[error("identity keys are out of reach")]
    KeysUnavailable,
    /// The server that knows the credential is out of reach.
    #[error("introspection server is out of reach")]
    SourceUnavailable,
    /// The credential is good but may not do this.
    #[error("credential lacks a scope or claim")]
    Forbidden,
    /// The request can't be passed on as it is.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// The body came too slowly.
    #[error("request body idled too long")]
    BodyTimeout,
    /// The body is larger than the route takes.
    #[error("request body above {body_bytes_max} bytes")]
    BodyTooLarge {
        /// The route's limit.
        body_bytes_max: u64,
    },
    /// The client left.
    #[error("client left")]
    ClientLeft,
    /// The route wants an `idempotency-key` and there is none.
    #[error("no idempotency-key")]
    KeyMissing,
    /// The `idempotency-key` can't be read.
    #[error("idempotency-key is not valid: {0}")]
    KeyMalformed(&'static str),
    /// The key belongs to a request with another payload.
    #[error("idempotency-key was used for another request")]
    KeyConflict,
    /// The first request with the key is still being served.
    #[error("first request with the idempotency-key is under way")]
    KeyBusy,
    /// The first request with the key may have taken effect, and nobody knows.
    #[error("outcome of the first request with the idempotency-key is in doubt")]
    KeyInDoubt,
    /// The first request with the key was answered, and its answer was not kept.
    #[error("answer to the first request with the idempotency-key was not kept")]
    AnswerNotKept,
    /// The store that the request needs can't be asked.
    #[error("store is not available")]
    StoreUnavailable,
    /// The request makes no event.
    #[error("request makes no event: {0}")]
    EventRejected(&'static str),
    /// The log that takes events, or its store, can't be asked.
    #[error("log is not available")]
    LogUnavailable,
    /// As much large data of events is kept as may be.
    #[error("no room for large data of events")]
    NoRoomForData,
    /// No such series, or it is not the caller's.
    #[error("no such series of the caller's")]
    NoSeries,
    /// As many connections are pushed to as may be.
    #[error("push connections exhausted")]
    PushExhausted,
    /// Nothing can be pushed: the log of results can't be read, or the edge ends.
    #[error("push is not available")]
    PushUnavailable,
    /// The edge itself is overloaded, and keeps its capacity for higher ranks.
    #[error("edge is overloaded")]
    ShedOverload(Wait),
    /// The upstream or route is overloaded, and its capacity is kept for higher ranks.
    #[error("shed by priority")]
    ShedPriority(Wait),
    /// No permit of the upstream or route within the time that a wait makes sense.
    #[error("concurrency limit reached")]
    LimitedConcurrency(Wait),
    /// The origin fails too often to be tried.
    #[error("breaker is open")]
    BreakerOpen(Wait),
    /// The caller used up its rate.
    #[error("rate limit reached")]
    LimitedRate(Wait),
    /// The time left does not suffice for a usual call.
    #[error("too little time is left")]
    TooLate,
    /// Every endpoint is at its cap of connections.
    #[error("every endpoint is at its connection limit")]
    ConnectionsExhausted,
    /// The upstream has no endpoint.
    #[error("no endpoint")]
    NoEndpoint,
    /// No connection to any endpoint.
    #[error("connection to the endpoint failed")]
    Connect,
    /// No TLS with any endpoint.
    #[error("no TLS connection to the endpoint")]
    Tls,
    /// The endpoint's certificate is not good.
    #[error("endpoint's certificate is not trusted")]
    Untrusted,
    /// The endpoint broke off before its answer.
    #[error("endpoint broke off")]
    Reset,
    /// The endpoint answered what is no valid HTTP.
    #[error("endpoint sent no valid HTTP")]
    Garbled,
    /// The endpoint did not answer within its attempt's time.
    #[error("endpoint did not answer in time")]
    AttemptTimeout,
    /// The exchange's deadline has passed.
    #[error("deadline passed")]
    DeadlineExceeded,
    /// A fault of the edge.
    #[error("internal fault: {0}")]
    Internal(&'static str),
}

/// When and how often trying again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The time after which it does.
    pub after: Duration,
    /// How often, until another request has been answered.
    pub retries_max: u8,
}

/// Retries that a device should make where a refusal is no more than bad luck.
const RETRIES_MAX: u8 = 1;
/// From this share of the ranks on that is refused, a retry will hardly do better.
const DEEP: f64 = 0.5;

/// The least time after which a refused client should come back.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// Clients are spread over this much more, so that they do not come back together.
const WAIT_SPREAD: Duration = Duration::from_secs(2);
/// And over so much more for each part of the ranks that is refused: who is refused in deep
/// overload would be refused again soon.
const WAIT_SPREAD_DEEP: Duration = Duration::from_secs(8);

impl Wait {
    /// The wait that a refusal leads to, spread by any number that belongs to the request.
    fn of(refusal: &Refusal, draw: u64) -> Self {
        let depth = f64::from(ADMIT_ALL - refusal.threshold.min(ADMIT_ALL)) / f64::from(ADMIT_ALL);
        let spread = WAIT_SPREAD + WAIT_SPREAD_DEEP.mul_f64(depth);
        let place = f64::from(u32::try_from(draw >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        let spread = spread.mul_f64(place);
        let after = match refusal.layer {
            // These know when.
            Layer::Rate | Layer::Breaker => refusal.retry_after + WAIT_MIN.mul_f64(place),
            _ => WAIT_MIN + spread,
        };
        Self { after, retries_max: if depth < DEEP { RETRIES_MAX } else { 0 } }
    }
}

/// Whose fault an error is, after pingora's three sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Downstream,
    /// The origin's.
    Upstream,
    /// The edge's own.
    Internal,
}

impl Error {
    /// The error that a layer's refusal ends an exchange with.
    pub(crate) fn refused(refusal: &Refusal, draw: u64) -> Self {
        let wait = Wait::of(refusal, draw);
        match (refusal.layer, refusal.reason) {
            (Layer::Instance, _) => Self::ShedOverload(wait),
            (_, Reason::DeadlineTooClose) => Self::TooLate,
            (Layer::Concurrency, Reason::Level | Reason::ClassReserve) => Self::ShedPriority(wait),
            (Layer::Breaker | Layer::Throttle, _) => Self::BreakerOpen(wait),
            (Layer::Rate, _) => Self::LimitedRate(wait),
            _ => Self::LimitedConcurrency(wait),
        }
    }

    /// When and how often trying again makes sense, where the error knows.
    pub const fn wait(self) -> Option<Wait> {
        match self {
            Self::ShedOverload(wait)
            | Self::ShedPriority(wait)
            | Self::LimitedConcurrency(wait)
            | Self::BreakerOpen(wait)
            | Self::LimitedRate(wait) => Some(wait),
            _ => None,
        }
    }

    /// The stable code, with a page in `docs/errors/`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoRoute => "HG0001",
            Self::CredentialMissing => "HG0002",
            Self::CredentialInvalid => "HG0003",
            Self::KeysUnavailable => "HG0004",
            Self::SourceUnavailable => "HG0080",
            Self::Forbidden => "HG0005",
            Self::BadRequest(_) => "HG0006",
            Self::BodyTimeout => "HG0007",
            Self::BodyTooLarge { .. } => "HG0008",
            Self::ClientLeft => "HG0009",
            Self::ConnectionsExhausted => "HG0010",
            Self::NoEndpoint => "HG0011",
            Self::Connect => "HG0012",
            Self::Reset => "HG0013",
            Self::Garbled => "HG0014",
            Self::AttemptTimeout => "HG0015",
            Self::DeadlineExceeded => "HG0016",
            Self::Internal(_) => "HG0017",
            Self::KeyMissing => "HG0019",
            Self::KeyMalformed(_) => "HG0020",
            Self::KeyConflict => "HG0021",
            Self::KeyBusy => "HG0022",
            Self::KeyInDoubt => "HG0023",
            Self::AnswerNotKept => "HG0024",
            Self::StoreUnavailable => "HG0025",
            Self::EventRejected(_) => "HG0040",
            Self::LogUnavailable => "HG0041",
            Self::NoRoomForData => "HG0074",
            Self::NoSeries => "HG0042",
            Self::PushExhausted => "HG0043",
            Self::PushUnavailable => "HG0044",
            Self::ShedOverload(_) => "HG0030",
            Self::ShedPriority(_) => "HG0031",
            Self::LimitedConcurrency(_) => "HG0032",
            Self::BreakerOpen(_) => "HG0033",
            Self::LimitedRate(_) => "HG0034",
            Self::TooLate => "HG0035",
            Self::Tls => "HG0086",
            Self::Untrusted => "HG0087",
        }
    }

    /// The outcome under which the exchange is counted.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::NoRoute | Self::NoSeries => Outcome::NoRoute,
            Self::CredentialMissing | Self::CredentialInvalid => Outcome::DeniedAuth,
            Self::Forbidden => Outcome::DeniedPolicy,
            Self::BadRequest(_) | Self::KeyMalformed(_) | Self::EventRejected(_) => {
                Outcome::ClientBadRequest
            }
            Self::BodyTimeout => Outcome::ClientTimeout,
            Self::BodyTooLarge { .. } => Outcome::ClientTooLarge,
            Self::ClientLeft => Outcome::ClientCancelled,
            Self::KeyMissing => Outcome::IdempotencyMissing,
            Self::KeyConflict | Self::KeyInDoubt | Self::AnswerNotKept => {
                Outcome::IdempotencyConflict
            }
            Self::KeyBusy => Outcome::IdempotencyBusy,
            Self::StoreUnavailable
            | Self::LogUnavailable
            | Self::NoRoomForData
            | Self::PushUnavailable => Outcome::StoreUnavailable,
            Self::ShedOverload(_) => Outcome::ShedOverload,
            Self::ShedPriority(_) => Outcome::ShedPriority,
            Self::BreakerOpen(_) => Outcome::BreakerOpen,
            Self::LimitedRate(_) => Outcome::LimitedRate,
            Self::LimitedConcurrency(_) | Self::ConnectionsExhausted | Self::PushExhausted => {
                Outcome::LimitedConcurrency
            }
            Self::NoEndpoint | Self::KeysUnavailable | Self::SourceUnavailable => {
                Outcome::OriginUnhealthy
            }
            Self::Connect | Self::Tls | Self::Untrusted => Outcome::OriginConnect,
            Self::Reset | Self::Garbled => Outcome::OriginReset,
            Self::AttemptTimeout => Outcome::OriginTimeout,
            Self::DeadlineExceeded | Self::TooLate => Outcome::DeadlineExceeded,
            Self::Internal(_) => Outcome::Internal,
        }
    }

    /// Whose fault it is.
    pub const fn side(self) -> Side {
        match self {
            Self::NoRoute
            | Self::CredentialMissing
            | Self::CredentialInvalid
            | Self::Forbidden
            | Self::BadRequest(_)
            | Self::EventRejected(_)
            | Self::NoSeries
            | Self::BodyTimeout
            | Self::BodyTooLarge { .. }
            | Self::KeyMissing
            | Self::KeyMalformed(_)
            | Self::KeyConflict
            | Self::KeyBusy
            | Self::KeyInDoubt
            | Self::AnswerNotKept
            | Self::LimitedRate(_)
            | Self::TooLate
            | Self::ClientLeft => Side::Downstream,
            Self::NoEndpoint
            | Self::BreakerOpen(_)
            | Self::Connect
            | Self::Tls
            | Self::Untrusted
            | Self::Reset
            | Self::Garbled
            | Self::AttemptTimeout
            | Self::DeadlineExceeded => Side::Upstream,
            Self::KeysUnavailable
            | Self::SourceUnavailable
            | Self::ConnectionsExhausted
            | Self::ShedOverload(_)
            | Self::ShedPriority(_)
            | Self::LimitedConcurrency(_)
            | Self::StoreUnavailable
            | Self::LogUnavailable
            | Self::NoRoomForData
            | Self::PushExhausted
            | Self::PushUnavailable
            | Self::Internal(_) => Side::Internal,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        use headgate_types::RetryAdvice::{After, Yes};
        matches!(self.outcome().retry(), After | Yes)
    }
}

/// Whether an answer with this code refuses a request for load: many of them come at once.
pub(crate) fn is_refusal(code: &str) -> bool {
    matches!(code, "HG0030" | "HG0031" | "HG0032" | "HG0033" | "HG0034" | "HG0035")
}

#[cfg(test)]
mod tests;
