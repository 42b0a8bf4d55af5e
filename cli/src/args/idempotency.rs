//! Arguments of the verbs about idempotency keys.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum, ValueHint};

use crate::args::Admin;

/// What to do with idempotency keys that wait.
#[derive(Debug, Subcommand)]
pub(crate) enum Idempotency {
    /// Lists keys of which nobody knows whether they were done, or that were given up.
    List(HeldList),
    /// Shows how one key stands.
    Show(HeldKey),
    /// Says what became of one key, which then waits no more.
    Resolve(HeldResolve),
}

/// Which keys to list.
#[derive(Debug, clap::Args)]
pub(crate) struct HeldList {
    #[command(flatten)]
    pub(crate) admin: Admin,

    /// So many keys at least, if there are as many; the step in which they are reached is listed to
    /// its end.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,

    /// Goes on where a list ended that told this.
    #[arg(long, value_name = "PLACE")]
    pub(crate) after: Option<String>,
}

/// Which key.
#[derive(Debug, clap::Args)]
pub(crate) struct HeldKey {
    /// The key's id, as the list has it: its scope, `#`, and 32 letters and digits.
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// What became of a key.
#[derive(Debug, clap::Args)]
pub(crate) struct HeldResolve {
    #[command(flatten)]
    pub(crate) key: HeldKey,

    /// Whether it was done. What was not done is carried out by the next request or delivery with
    /// the key.
    #[arg(long = "as", value_name = "HOW")]
    pub(crate) resolution: Resolution,

    /// What repetitions are answered from then on: a file with the answer's body, or with a
    /// handler's result. Without it they are told that it was done and that its answer was not kept.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) result: Option<PathBuf>,

    /// The answer's status, for a route's key. 200 unless said.
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(200..=499))]
    pub(crate) status: Option<u16>,

    /// The answer's type, for a route's key. `application/json` unless said.
    #[arg(long, value_name = "TYPE", requires = "result")]
    pub(crate) content_type: Option<String>,

    /// The fence of the stand that you have looked at. By default the one that stands there now.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) fence: Option<u64>,

    /// Who you are, for the edge's log.
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,

    /// How you know, for the edge's log.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Whether something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resolution {
    /// It happened.
    Done,
    /// It did not happen.
    NotDone,
}
