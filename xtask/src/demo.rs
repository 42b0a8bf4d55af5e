//! `cargo xtask demo`: the demo's second setting, two edges on the real Kafka and DynamoDB Local.

use anyhow::Result;

use crate::{
    components,
    process::{self, cargo},
    tools,
};

/// Starts both servers unless they run, and the demo on them. They go on when it ends.
///
/// # Errors
///
/// A server can't be had or started, or the build fails.
pub(crate) fn run() -> Result<()> {
    tools::compilers()?;
    let (kafka, dynamodb) = components::start_for_demo()?;
    println!("`cargo xtask components stop` ends Kafka ({kafka}) and DynamoDB Local ({dynamodb})");
    let demo = ["run", "-p", "headgate", "--", "demo", "--kafka", &kafka, "--dynamodb", &dynamodb];
    process::run(&mut cargo(demo))
}
