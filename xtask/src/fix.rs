//! `cargo xtask fix`: what a machine can mend.

use anyhow::Result;

use crate::process::{self, PEERS, cargo};
use crate::reference;
use crate::steps::Steps;

/// What to mend.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Writes the generated pages only.
    #[arg(long)]
    pages: bool,
}

/// Applies clippy's suggestions, formats, and writes the generated pages.
///
/// # Errors
///
/// One or more steps failed: the message names them.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.pages {
        return reference::write();
    }
    let mut steps = Steps::default();
    steps.run("clippy", || {
        let what = ["clippy", "--fix", "--workspace", "--all-targets"];
        process::run(cargo(what).args(["--allow-dirty", "--allow-staged"]))
    });
    steps.run("format", || {
        process::run(&mut cargo(["fmt", "--all"]))?;
        process::run(&mut cargo(["fmt", "--all", "--manifest-path", PEERS]))
    });
    steps.run("reference", reference::write);
    steps.finish()
}
