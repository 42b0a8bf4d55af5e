//! What can be tuned of idempotency keys.

use std::time::Duration;

use headgate_types::ByteSize;
use http::StatusCode;

/// What an `idempotency-key` does on a route: the first request with it is passed on, and every
/// later one gets the first one's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Whether a request that may change something must have a key.
    pub is_required: bool,
    /// How long an answer is kept, from when it was given.
    pub ttl: Duration,
    /// How long a request waits for the one with its key that is still being served, where the
    /// client does not say. Zero: not at all.
    pub wait: Duration,
    /// How long a key stays taken after its edge has died; while the edge lives it renews this.
    pub lease: Duration,
    /// What becomes of a key whose request may have been carried out without an answer.
    pub on_lost: OnLost,
    /// Bytes of a request body with a key, which is held in memory.
    pub body_bytes_max: ByteSize,
    /// Bytes of an answer's body that is kept; at most [`ANSWER_BYTES_MAX`].
    pub answer_bytes_max: ByteSize,
    /// The answers that are kept. After any other the key is free again.
    pub keep: Vec<StatusKind>,
}

/// What becomes of a key whose request may have been carried out without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLost {
    /// The next request with it is passed on: the BFF may see it twice.
    #[default]
    Retry,
    /// No request with it is passed on any more: the BFF sees it once, at most.
    Hold,
}

/// A hundred statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusKind {
    /// 200 to 299.
    Success,
    /// 300 to 399.
    Redirection,
    /// 400 to 499, but for those that ask to try again: 408, 425 and 429.
    ClientError,
    /// 500 to 599.
    ServerError,
}

/// The largest body of an answer that can be kept: with the answer's head, what the embedded store
/// takes in one value.
pub const ANSWER_BYTES_MAX: ByteSize = ByteSize::from_bytes(1 << 20);

/// What Stripe keeps keys for, and longer than a device stays out of reach and still retries.
const TTL: Duration = Duration::from_hours(24);
/// Short, because after a crash nothing with the key is served for as long; and several times what
/// a renewal takes on a slow disk.
const LEASE: Duration = Duration::from_secs(10);
/// What changes something is small: an order, a setting. Each one is held in memory.
const BODY_BYTES_MAX: ByteSize = ByteSize::from_bytes(256 << 10);
/// So is its answer, and each one is stored.
const KEPT_BYTES_MAX: ByteSize = ByteSize::from_bytes(64 << 10);

/// The BFF says that it has not dealt with the request.
const ASKS_AGAIN: [StatusCode; 3] =
    [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];

impl Default for Idempotency {
    fn default() -> Self {
        Self {
            is_required: false,
            ttl: TTL,
            wait: Duration::ZERO,
            lease: LEASE,
            on_lost: OnLost::default(),
            body_bytes_max: BODY_BYTES_MAX,
            answer_bytes_max: KEPT_BYTES_MAX,
            keep: vec![StatusKind::Success, StatusKind::Redirection, StatusKind::ClientError],
        }
    }
}

impl Idempotency {
    /// Whether an answer with this status is kept.
    pub fn keeps(&self, status: StatusCode) -> bool {
        if ASKS_AGAIN.contains(&status) {
            return false;
        }
        let kind = match status.as_u16() / 100 {
            2 => StatusKind::Success,
            3 => StatusKind::Redirection,
            4 => StatusKind::ClientError,
            5 => StatusKind::ServerError,
            _ => return false,
        };
        self.keep.contains(&kind)
    }
}
