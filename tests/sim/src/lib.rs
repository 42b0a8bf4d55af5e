//! Overload in virtual time: the router's own decisions, and the field's rules, in front of
//! simulated upstreams and clients.
//!
//! One seed has one history. Hours of traffic take seconds, so the scenarios run in every test run.

#![expect(
    clippy::indexing_slicing,
    reason = "a simulation addresses its own tables; a wrong index is a bug that should stop it"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "time lines keep seconds as f32 to stay small"
)]

pub mod events;
pub mod figures;
pub mod pages;
pub mod plot;
pub mod plots;
pub mod report;
pub mod rivals;
pub mod scenarios;
pub mod traffic;
pub mod upstream;
pub mod world;

pub(crate) use headgate_router::overload::num::{count, index};

/// A moment that many seconds after the start.
pub(crate) fn at(seconds: f64) -> headgate_types::Moment {
    std::time::Duration::from_secs_f64(seconds.max(0.0)).into()
}

/// Seconds since the start.
pub(crate) fn secs(moment: headgate_types::Moment) -> f64 {
    moment.as_nanos() as f64 / 1e9
}
