//! `cargo xtask`: the project's own commands. Continuous integration calls the same ones.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "these commands talk to a person")]

mod components;
mod demo;
mod fix;
mod lint;
mod load;
mod process;
mod reference;
mod steps;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Checks format, lints, documentation, licenses and the project's own rules.
    Lint,
    /// Builds and runs every test.
    Test(test::Arguments),
    /// Checks the project's own rules alone.
    Tidy(tidy::Arguments),
    /// Formats, applies what clippy can mend, and writes the generated pages.
    Fix(fix::Arguments),
    /// Measures on loopback: a scenario's name, `peers`, or `micro`.
    Load(load::Arguments),
    /// Starts, stops and shows the real servers that tests run against.
    Components(components::Arguments),
    /// Shows two edges on the real Kafka and DynamoDB Local.
    Demo,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Lint => lint::run(),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Tidy(arguments) => tidy::run(&arguments),
        Verb::Fix(arguments) => fix::run(&arguments),
        Verb::Load(arguments) => load::run(&arguments),
        Verb::Components(arguments) => components::run(&arguments),
        Verb::Demo => demo::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
