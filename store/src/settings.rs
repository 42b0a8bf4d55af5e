//! What can be tuned.

use std::time::Duration;

use headgate_types::ByteSize;

/// Batches that wait at most; the next is refused. Four times the producers that a machine of two
/// cores was measured with.
const QUEUE_BATCHES_MAX: usize = 1_024;

/// Bytes that wait at most, so that a thousand large batches do not fill the memory.
const QUEUE_BYTES_MAX: u64 = 64 << 20;

/// Batches that one sync makes durable. Bounds what the last of a group waits for the first.
const GROUP_BATCHES_MAX: usize = 512;

/// Bytes that one sync makes durable, one batch above it aside.
const GROUP_BYTES_MAX: u64 = 1 << 20;

/// Producers that wait for their own acknowledgement fall into two alternating convoys; this short
/// wait after a large group joins them. Longer waits were measured to cost more than they gain.
const GATHER: Duration = Duration::from_micros(50);

/// A file below it saves its allocator state with each commit and opens at once after a kill. In a
/// larger file that state makes each commit dearer, and opening walks the file instead: about a
/// second a GiB.
const QUICK_REPAIR_BELOW: u64 = 16 << 20;

/// Pages kept in memory. More of them were measured to cost more than they gain: the operating
/// system keeps what was written too.
const CACHE: u64 = 64 << 20;

/// Space left on the file system below which a batch that grows the store is refused, while
/// deletes, offsets and upkeep still pass.
const FREE_SPACE_MIN: u64 = 64 << 20;

/// What can be tuned. All take effect when the store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Batches that wait for the committer at most; at least 1.
    pub queue_batches_max: usize,
    /// Bytes of batches that wait for the committer at most.
    pub queue_bytes_max: ByteSize,
    /// Batches in one group at most; at least 1.
    pub group_batches_max: usize,
    /// Bytes in one group at most; a single batch may be larger.
    pub group_bytes_max: ByteSize,
    /// How long the committer waits for a group to fill after a large one. Zero: not at all.
    pub gather: Duration,
    /// File size below which each commit saves what a quick opening after a kill needs.
    pub quick_repair_below: ByteSize,
    /// Memory for pages that were read or written.
    pub cache: ByteSize,
    /// Free space on the file system below which batches that grow the store are refused. Those
    /// that may use the reserve are refused below a quarter of it.
    pub free_space_min: ByteSize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue_batches_max: QUEUE_BATCHES_MAX,
            queue_bytes_max: ByteSize::from_bytes(QUEUE_BYTES_MAX),
            group_batches_max: GROUP_BATCHES_MAX,
            group_bytes_max: ByteSize::from_bytes(GROUP_BYTES_MAX),
            gather: GATHER,
            quick_repair_below: ByteSize::from_bytes(QUICK_REPAIR_BELOW),
            cache: ByteSize::from_bytes(CACHE),
            free_space_min: ByteSize::from_bytes(FREE_SPACE_MIN),
        }
    }
}
