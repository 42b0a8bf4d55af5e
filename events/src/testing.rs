//! A kit for logs: one suite of facts for every log, a broker in memory that takes partitions
//! away and gives them again, and a log that stands before another one and spoils what it likes.

#[expect(clippy::panic, reason = "facts that do not hold end the test")]
mod broker;
#[expect(clippy::panic, clippy::indexing_slicing, reason = "facts that do not hold end the test")]
mod log_suite;
mod through;

pub use self::{
    broker::Broker,
    log_suite::log_suite,
    through::{Before, Through},
};
