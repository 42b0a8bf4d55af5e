//! `cargo xtask fix`: what a machine can mend.

use anyhow::Result;

use crate::process::{self, cargo};
use crate::reference;
use crate::steps::Steps;

/// Applies clippy's suggestions, formats, and writes the generated pages.
///
/// # Errors
///
/// One or more steps failed: the message names them.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    steps.run("clippy", || {
        let what = ["clippy", "--fix", "--workspace", "--all-targets"];
        process::run(cargo(what).args(["--allow-dirty", "--allow-staged"]))
    });
    steps.run("format", || process::run(&mut cargo(["fmt", "--all"])));
    steps.run("reference", reference::write);
    steps.finish()
}
