//! Events through a log to handlers and on, two levels deep, each exactly once.
//!
//! [`cycles`](fn@cycles) measures one process on the embedded engine: an event, one state write,
//! one child, one commit. [`priorities`](fn@priorities) gives one more than it can do, of three
//! classes. [`crashes`](fn@crashes) has worker processes on Kafka and `DynamoDB`, or
//! one on the embedded engine, and kills them and the broker while they work.

mod account;
mod crashes;
mod cycles;
mod handlers;
mod priorities;
mod process;
mod report;
mod troubles;
mod worker;
mod world;

use anyhow::Result;

pub use crate::{
    crashes::{Crashes, On, crashes},
    cycles::{Cycles, Rate, cycles},
    priorities::{Priorities, priorities},
    report::Report,
    troubles::Troubles,
};

/// A part of the work that runs as a process of its own, by the same program.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Part {
    /// Handles events until it is killed, or its input ends.
    Worker(world::Place),
}

impl Part {
    /// Does it.
    ///
    /// # Errors
    ///
    /// The log or the store can't be reached.
    pub fn run(&self) -> Result<()> {
        match self {
            Self::Worker(place) => worker::work(place),
        }
    }
}
