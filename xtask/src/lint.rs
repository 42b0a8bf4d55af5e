//! `cargo xtask lint`: everything that can be judged without running a test.

use anyhow::Result;

use crate::process::{self, PEERS, cargo};
use crate::steps::Steps;
use crate::tidy;
use crate::tools;

/// Runs every check, the quick ones first.
///
/// # Errors
///
/// One or more checks failed: the message names them.
pub(crate) fn run() -> Result<()> {
    tools::compilers()?;
    let mut steps = Steps::default();
    steps.run("format", format);
    steps.run("clippy", || {
        process::run(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    steps.run("documentation", || {
        process::run(cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    });
    if process::exists("cargo-deny", "--version") {
        steps.run("licenses", || {
            process::run(&mut cargo(["deny", "check", "bans", "licenses", "sources"]))
        });
    } else {
        println!("skipped licenses: cargo-deny is not installed");
    }
    steps.run("tidy", || tidy::run(&tidy::Arguments::default()));
    steps.finish()
}

fn format() -> Result<()> {
    process::run(&mut cargo(["fmt", "--all", "--check"]))?;
    process::run(&mut cargo(["fmt", "--all", "--manifest-path", PEERS, "--check"]))
}
