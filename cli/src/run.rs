//! `headgate run`: the edge from its files.

use std::{path::Path, process::ExitCode};

use headgate_types::Clock as _;

use crate::{
    clock::SystemClock,
    output::Output,
    serve::{print_addresses, serve},
};

/// Loads the files and serves until a signal.
///
/// # Errors
///
/// Faults of the configuration, all at once, before any socket is opened.
pub(crate) fn run(config: &Path, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let loaded = headgate_config::load_at(config, SystemClock.unix_time())?;
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "configuration loaded with a warning");
    }
    serve(&loaded, |addresses| print_addresses(addresses, output))
}
