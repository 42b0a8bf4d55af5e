//! `cargo xtask test`: everything that must pass.

use anyhow::Result;

use crate::process::{self, cargo};
use crate::tools;

/// Which tests to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Leaves out the tests that need a program from outside.
    #[arg(long)]
    quick: bool,
    /// Runs only tests whose name contains one of these.
    filter: Vec<String>,
}

/// Builds everything once, then runs the tests against the real binary.
///
/// # Errors
///
/// A build or a test fails, or a program from outside can't be had.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    tools::compilers()?;
    let h2spec = if arguments.quick { None } else { Some(tools::h2spec()?) };
    process::run(&mut build())?;

    let mut tests = cargo(["test", "--workspace", "--no-fail-fast", "--"]);
    tests.args(&arguments.filter).env("HEADGATE_BIN", process::edge("debug"));
    match h2spec {
        Some(path) => tests.env("HEADGATE_H2SPEC", path),
        None => tests.env_remove("HEADGATE_H2SPEC"),
    };
    process::run(&mut tests)
}

/// The build that tests and generated pages share.
///
/// Test targets take part although only the binary is wanted: without them cargo would choose
/// other features for common dependencies, and build those a second time for the tests.
pub(crate) fn build() -> std::process::Command {
    cargo(["build", "--workspace", "--bins", "--tests"])
}
