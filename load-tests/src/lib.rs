//! What more than one load test needs.

pub mod teams;
