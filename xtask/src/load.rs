//! `cargo xtask load`: bounded measurements on loopback, with what ships.

use anyhow::Result;

use crate::components;
use crate::process::{self, PEERS, cargo};
use crate::tools;

/// What has a program of its own: the package is `headgate-load-` and this.
const OF_THEIR_OWN: [&str; 7] =
    ["config", "events", "exactly-once", "micro", "overload", "push", "store"];

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A scenario's name, `peers` for the side-by-side table, `micro` for single functions, `store`
    /// for the embedded engine, `config` for the loader, `exactly-once` for workers that are killed
    /// and stopped, `events` for the way of events, with brokers that are killed too, `push` for
    /// clients that wait for results and an edge whose log is away, or `overload` for what protects
    /// from overload, with scenarios by number: `overload A1 D --quick`.
    what: String,
    /// Handed on to the generator as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Seeds of each simulation in full; the tests take 256.
const SEEDS: &str = "10000";

/// The simulations of crashes, with many more seeds than the tests take.
fn simulations() -> Result<()> {
    let of_the_store = ["test", "--release", "-p", "headgate-store", "--lib", "--", "survives"];
    let of_the_protocol =
        ["test", "--release", "-p", "headgate-idempotency", "--test", "simulation", "--", "seed"];
    for call in [&of_the_store[..], &of_the_protocol] {
        process::run(cargo(call.iter().copied()).env("HEADGATE_SIM_SEEDS", SEEDS))?;
    }
    Ok(())
}

/// Builds the `dist` profile and runs one scenario.
///
/// # Errors
///
/// A build fails, or the scenario does not hold its bounds.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    tools::compilers()?;
    if OF_THEIR_OWN.contains(&arguments.what.as_str()) {
        let package = format!("headgate-load-{}", arguments.what);
        let mut call = cargo(["run", "--profile", "dist", "-p", &package, "--"]);
        call.args(&arguments.rest);
        if ["events", "push"].contains(&arguments.what.as_str()) {
            call.env("HEADGATE_DYNAMODB_LOCAL", components::fetch_dynamodb()?);
            call.env("HEADGATE_KAFKA_LOCAL", components::fetch_kafka()?);
        }
        if ["overload", "push"].contains(&arguments.what.as_str()) {
            process::run(&mut cargo(["build", "--profile", "dist", "-p", "headgate"]))?;
            call.env("HEADGATE_BIN", process::edge("dist"));
        }
        if arguments.what == "exactly-once" {
            call.env("HEADGATE_DYNAMODB_LOCAL", components::fetch_dynamodb()?);
            process::run(&mut call)?;
            return if arguments.rest.is_empty() { simulations() } else { Ok(()) };
        }
        return process::run(&mut call);
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
