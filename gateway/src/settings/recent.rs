//! What is kept of recent exchanges, for whoever asks why.

use headgate_types::ByteSize;

/// What is kept of recent exchanges in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Memory for them, a quarter for each kind of end: shed, rejected, failed, passed.
    pub bytes_max: ByteSize,
    /// Of those that passed, so many a second are kept; the others all are.
    pub passed_per_second: u32,
}

/// About 30,000 exchanges: the failures of a bad minute, beside what a busy edge refuses in the
/// seconds that it takes to copy a trace ID.
const BYTES_MAX: ByteSize = ByteSize::from_bytes(32 << 20);
/// Costs a thousandth of a core.
const PASSED_PER_SECOND: u32 = 500;

impl Default for Recent {
    fn default() -> Self {
        Self { bytes_max: BYTES_MAX, passed_per_second: PASSED_PER_SECOND }
    }
}
