//! A kit for stores and for the protocol: a store in memory, clocks and chance that a test
//! controls, and one suite of facts for every store.

#[expect(clippy::panic, reason = "facts that do not hold end the test")]
mod bench;
#[expect(clippy::panic, clippy::indexing_slicing, reason = "facts that do not hold end the test")]
mod facts;
mod memory;
mod suite;
mod time;

pub use crate::testing::memory::MemoryStore;
pub use crate::testing::suite::{Subject, conformance};
pub use crate::testing::time::{ManualClock, SeededRandom};
