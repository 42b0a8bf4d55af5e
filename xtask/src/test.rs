//! `cargo xtask test`: everything that must pass.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::components;
use crate::process::{self, cargo};
use crate::tools;

/// Fetches or builds something once, and tells where it is.
type Fetch = fn() -> Result<PathBuf>;

/// What some tests need from outside: the variable that tells them where it is, how it is had, and
/// what the variable says where they are left out.
const OUTSIDE: [(&str, Fetch, Option<&str>); 4] = [
    ("HEADGATE_H2SPEC", tools::h2spec, None),
    ("HEADGATE_DYNAMODB_LOCAL", components::fetch_dynamodb, Some("none")),
    ("HEADGATE_KAFKA_LOCAL", components::fetch_kafka, Some("none")),
    ("HEADGATE_POSTGRES_LOCAL", components::fetch_postgres, Some("none")),
];

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
    let mut tests = cargo(["test", "--workspace", "--no-fail-fast"]);
    with_kafka_tls(&mut tests).arg("--");
    for (variable, fetch, left_out) in OUTSIDE {
        match left_out {
            _ if !arguments.quick => tests.env(variable, fetch()?),
            Some(left_out) => tests.env(variable, left_out),
            None => tests.env_remove(variable),
        };
    }
    if !arguments.quick {
        // A second reader of what is tested anyway: without a Python the test says so.
        match tools::python() {
            Ok(python) => tests.env("HEADGATE_PYTHON", python),
            Err(error) => {
                eprintln!("readers in Python are left out: {error:#}");
                &mut tests
            }
        };
    }
    process::run(&mut build())?;
    tests.args(&arguments.filter).env("HEADGATE_BIN", process::edge("debug"));
    process::run(&mut tests)
}

/// The build that tests and generated pages share.
///
/// Test targets take part although only the binary is wanted: without them cargo would choose
/// other features for common dependencies, and build those a second time for the tests.
pub(crate) fn build() -> Command {
    let mut build = cargo(["build", "--workspace", "--bins", "--tests"]);
    with_kafka_tls(&mut build);
    build
}

/// Adds TLS to Kafka where the system has OpenSSL with its headers. An OpenSSL that is built along
/// would take longer than all tests; without it they say what they leave out.
fn with_kafka_tls(command: &mut Command) -> &mut Command {
    let mut asked = process::program("pkg-config");
    asked.args(["--exists", "openssl"]).stderr(Stdio::null());
    if asked.status().is_ok_and(|status| status.success()) {
        command.args(["--features", "headgate/kafka-tls"]).env("OPENSSL_NO_VENDOR", "1");
    }
    command
}
