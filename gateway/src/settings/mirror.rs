//! What gets copies of a route's requests.

use std::time::Duration;

use headgate_router::{compare::Field, split::Weight};
use headgate_types::ByteSize;

/// Another upstream that gets copies of a route's requests; its answers are compared and dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The upstream, as an index into [`crate::settings::Settings::upstreams`].
    pub upstream: usize,
    /// The share of requests that are copied, drawn by their traces.
    pub share: Weight,
    /// What is compared.
    pub compare: Vec<Field>,
    /// Time of one copy, from its connection to the end of its answer.
    pub timeout: Duration,
    /// Bytes of a request body that is held for its copy. A longer one is not copied.
    pub body_bytes_max: ByteSize,
    /// Whether requests that may change something are copied too.
    pub takes_writes: bool,
}

/// Longer than most callers wait, short enough that an upstream which hangs frees its places.
pub const MIRROR_TIMEOUT: Duration = Duration::from_secs(5);
/// What a device posts fits.
pub const MIRROR_BODY_BYTES_MAX: ByteSize = ByteSize::from_bytes(64 << 10);
