//! Protection from overload: who is admitted, limited, shed and tried again.
//!
//! In the order in which a request meets them: [`instance`] (the edge itself), [`rate`] (requests
//! per time), [`deadline`] (time that is left), [`concurrency`] (requests at once: a limit that
//! [`adaptive`] moves, and a [`queue`]), [`throttle`] (a failing route), [`breaker`] and
//! [`outlier`] (failing endpoints). Each refuses with the same [`verdict::Refusal`] and is off,
//! observes or enforces by its [`mode::Switch`]. Who goes first is decided by [`priority`], and among
//! what only waits and is never refused, by [`turns`].

pub mod mode;
pub mod priority;
pub mod turns;
pub mod verdict;

pub mod deadline;
pub mod instance;
pub mod memory;
pub mod rate;

pub mod adaptive;
pub mod concurrency;
pub mod limit;
pub mod queue;
pub mod seats;
pub mod shard;

pub mod breaker;
pub mod leases;
pub mod outlier;
pub mod throttle;

pub mod num;
mod sync;
