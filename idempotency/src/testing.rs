//! A kit for stores and for the protocol: a store in memory, clocks and chance that a test
//! controls, one suite of facts for every store, and ways to real servers that can be cut.

#[expect(clippy::panic, reason = "facts that do not hold end the test")]
mod bench;
mod crash_points;
mod dynamodb_local;
#[expect(clippy::panic, clippy::indexing_slicing, reason = "facts that do not hold end the test")]
mod facts;
mod failing;
mod link;
#[expect(clippy::panic, reason = "a server that does not start ends the test")]
mod local;
mod memory;
#[expect(clippy::indexing_slicing, reason = "indexes are drawn within bounds")]
pub(crate) mod sim;
#[expect(clippy::panic, reason = "facts that do not hold end the test")]
mod store_suite;
mod suite;
mod time;

pub use crate::testing::crash_points::{crash_points, sweep};
pub use crate::testing::dynamodb_local::DynamoDbLocal;
pub use crate::testing::failing::{Failing, Fault};
pub use crate::testing::link::{Link, Weather};
pub use crate::testing::local::{LocalServer, Recipe};
pub use crate::testing::memory::MemoryStore;
pub use crate::testing::sim::{Bug, Mode, SimReport, simulate};
pub use crate::testing::store_suite::store_suite;
pub use crate::testing::suite::{Subject, conformance};
pub use crate::testing::time::{ManualClock, SeededRandom};
