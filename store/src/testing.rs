//! A harness for any engine: a model to compare with, one suite of facts, a disk that fails, and a
//! simulation of crashes.
//!
//! Nothing here knows how an engine works. An engine is tested through
//! [`Engine`](crate::Engine), and broken
//! through [`Disk`](crate::Disk).

mod crash;
mod memory;
mod sim_disk;
mod suite;
mod world;

pub use crate::testing::crash::{CrashReport, Open, crash_and_reopen, seeds};
pub use crate::testing::memory::Memory;
pub use crate::testing::sim_disk::{Fault, SimDisk};
pub use crate::testing::suite::conformance;
pub use crate::testing::world::{Picture, filled, picture};
