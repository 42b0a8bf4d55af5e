//! `headgate run`: the edge from its files.

use std::{path::Path, process::ExitCode};

use crate::serve::{print_addresses, serve};

/// Loads the files and serves until a signal.
///
/// # Errors
///
/// Faults of the configuration, all at once, before any socket is opened.
pub(crate) fn run(config: &Path) -> anyhow::Result<ExitCode> {
    let loaded = headgate_config::load(config)?;
    serve(&loaded, print_addresses)
}
