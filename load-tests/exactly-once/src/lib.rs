//! Kills and stops worker processes while they work, and has their effects counted by a process of
//! its own with its own sync.
//!
//! [`crashes`](fn@crashes) is one worker on the embedded store, killed again and again. [`zombies`](fn@zombies) is two workers on
//! one table of DynamoDB, each stopped past its leases while the other goes on. Sizes are
//! parameters: the tests run both in short, `cargo xtask load exactly-once` in full.
//!
//! Nothing that a worker says is believed but what it acknowledged: records, children and state
//! are read from the store when all is over, and effects from the ledger's file.

mod account;
mod crashes;
mod events;
mod ledger;
mod process;
mod report;
mod worker;
mod zombies;

use std::path::PathBuf;

use anyhow::Result;

pub use crate::{
    account::{Row, Verdict},
    crashes::{Crashes, crashes},
    report::{Machine, Report, keep, page},
    zombies::{Zombies, zombies},
};

/// A part of the work that runs as a process of its own, by the same program.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Part {
    /// Handles events until it is killed or done.
    Worker(worker::Arguments),
    /// Carries effects out and counts them, until it is killed.
    Ledger(ledger::Arguments),
}

impl Part {
    /// Does it.
    ///
    /// # Errors
    ///
    /// The store or the ledger can't be reached, or does not answer as it should.
    pub fn run(&self) -> Result<()> {
        match self {
            Self::Worker(arguments) => worker::work(arguments),
            Self::Ledger(arguments) => ledger::serve(arguments),
        }
    }
}

/// Where things are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The program whose [`Part`]s are started.
    pub program: PathBuf,
    /// An empty folder for the ledger and the embedded store: the disk that is used.
    pub folder: PathBuf,
}
