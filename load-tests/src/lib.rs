//! What more than one load test needs.

pub mod clock;
pub mod machine;
pub mod process;
pub mod teams;
