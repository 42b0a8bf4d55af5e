//! A seeded simulation: workers that crash, stop, and have wrong clocks, over a network that loses
//! and delays, in virtual time on one thread. The same seed is the same run.
//!
//! Whatever happens is judged from outside of the protocol: a ledger of effects, a witness that
//! sees every batch which the store takes, and at the end the log and the states.

mod bug;
pub(crate) mod clock;
mod driver;
pub(crate) mod event;
pub(crate) mod ice;
mod network;
pub(crate) mod witness;
pub(crate) mod worker;

pub use crate::testing::sim::bug::Bug;
pub use crate::testing::sim::driver::{SimReport, simulate};
pub use crate::testing::sim::event::Mode;
