//! `headgate upgrade`: takes over from the running edge, without a gap.
//!
//! What two processes say to each other is in `upgrade/wire.rs`; `give.rs` is what every running
//! edge does, and `take.rs` what the new one does.

mod give;
mod notify;
mod take;
mod wire;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

pub(crate) use crate::upgrade::{
    give::{Again, Giver},
    take::{Arrived, TakeOver},
};
use crate::{
    args, exit,
    output::Output,
    reload::Start,
    serve::{print_addresses, serve},
    upgrade::wire::Refusal,
};

/// The socket in `data.dir` at which a running edge is asked to hand over.
const SOCKET: &str = "upgrade.sock";

fn socket_in(dir: &Path) -> PathBuf {
    dir.join(SOCKET)
}

/// Why the running edge was not taken over from. It serves on, where there is one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no folder to meet in.
    #[error("an upgrade needs `data.dir`: name a folder there, and restart the running edge once")]
    NoFolder,
    /// Nobody listens in the folder.
    #[error("no running edge can be asked at {}", path.display())]
    Nobody {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The running edge does not hand over.
    #[error("the running edge does not hand over: {0}")]
    Refused(Refusal),
    /// The conversation ended in the middle.
    #[error("the hand-over broke off while {step}; the running edge serves on")]
    BrokenOff {
        step: &'static str,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// The stable code, with a page in `docs/errors`.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::NoFolder => "HG1220",
            Self::Nobody { .. } => "HG1221",
            Self::Refused(_) => "HG1222",
            Self::BrokenOff { .. } => "HG1223",
        }
    }

    /// What the process ends with.
    pub(crate) const fn exit(&self) -> u8 {
        match self {
            Self::Nobody { .. } => exit::UNREACHABLE,
            _ => exit::INVALID,
        }
    }

    fn broken_off(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::BrokenOff { step, source }
    }
}

/// Prepares an edge from the files, takes over from the one that runs, and serves as `run` does.
///
/// # Errors
///
/// [`Error`]; any fault of the platform's file, and with `--strict` of every file. The running edge
/// serves on then.
pub(crate) fn upgrade(args: &args::Run, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let again = Again::new(args, output.json);
    let start = Start::taking_over(&args.config.config, args.strict)?.again(again);
    serve(start, |addresses| print_addresses(addresses, output))
}
