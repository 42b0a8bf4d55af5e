//! `cargo xtask load`: bounded measurements on loopback, with what ships.

use anyhow::Result;

use crate::process::{self, PEERS, cargo};
use crate::tools;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A scenario's name, `peers` for the side-by-side table, `micro` for single functions,
    /// `store` for the embedded engine, or `config` for the loader.
    what: String,
    /// Handed on to the generator as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Builds the `dist` profile and runs one scenario.
///
/// # Errors
///
/// A build fails, or the scenario does not hold its bounds.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    tools::compilers()?;
    if ["micro", "store", "config"].contains(&arguments.what.as_str()) {
        let package = format!("headgate-load-{}", arguments.what);
        let call = ["run", "--profile", "dist", "-p", &package, "--"];
        return process::run(cargo(call).args(&arguments.rest));
    }
    let peers = process::target().join("peers");
    process::run(&mut cargo(["build", "--profile", "dist", "-p", "headgate"]))?;
    process::run(
        cargo(["build", "--release", "--manifest-path", PEERS]).arg("--target-dir").arg(&peers),
    )?;
    let mut call = cargo(["run", "--profile", "dist", "-p", "headgate-load", "--"]);
    call.arg(&arguments.what).args(&arguments.rest);
    call.env("HEADGATE_BIN", process::edge("dist"));
    process::run(call.env("HEADGATE_PEERS", peers.join("release")))
}
