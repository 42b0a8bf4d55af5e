//! `headgate run`: the edge from its files.

use std::process::ExitCode;

use crate::{
    args,
    output::Output,
    reload::Start,
    serve::{print_addresses, serve},
    upgrade::Again,
};

/// Loads the files, serves until a signal, and follows the files as they change.
///
/// # Errors
///
/// Faults of the configuration, all at once, before any socket is opened: of the platform's file,
/// where no last good one is kept, and with `--strict` all.
pub(crate) fn run(args: &args::Run, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let again = Again::new(args, output.json);
    let start = Start::of(&args.config.config, args.strict)?.again(again);
    serve(start, |addresses| print_addresses(addresses, output))
}
