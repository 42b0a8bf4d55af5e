//! What is kept of recent exchanges.

use headgate_gateway::settings as gateway;
use headgate_types::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::Size;

/// The most memory that recent exchanges can take.
pub(crate) const MEMORY_MAX: ByteSize = ByteSize::from_bytes(4 << 30);

/// What `headgate why` can tell of recent exchanges.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Why {
    /// Memory for recent exchanges, at most `4GiB`: their access lines, with why and by what numbers
    /// each was let in or refused; about 1 KiB each. A quarter is for those that were shed, one for
    /// those that were refused for what they were, one for those that failed, and one for those that
    /// passed. It is taken as it is needed, and what it holds ends with the process. `0B` keeps none.
    pub(crate) memory: Size,
    /// Of the exchanges that passed, so many a second are kept; the others all are.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) passed_per_second: u32,
}

impl Default for Why {
    fn default() -> Self {
        let recent = gateway::Recent::default();
        Self { memory: Size(recent.bytes_max), passed_per_second: recent.passed_per_second }
    }
}
