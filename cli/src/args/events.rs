//! What to ask about events.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum, ValueHint};

use super::Admin;

/// What to do with events.
#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Shows the last entries of a topic, and those that come with `--follow`.
    Tail(Tail),
    /// Shows one event.
    Get(Get),
}

/// Which entries.
#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) admin: Admin,

    /// The topic.
    pub(crate) topic: String,

    /// Entries to begin with.
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) limit: u16,

    /// Goes on with those that come, until it is ended.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

/// Which event.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) admin: Admin,

    /// The event's id.
    pub(crate) id: String,

    /// The topic. By default all are looked through.
    #[arg(long)]
    pub(crate) topic: Option<String>,
}

/// Which series, or what to do with it.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Trace {
    #[command(subcommand)]
    pub(crate) control: Option<Control>,

    #[command(flatten)]
    pub(crate) admin: Admin,

    /// The trace ID: 32 digits, as in `headgate-trace-id`.
    #[arg(required = true)]
    pub(crate) id: Option<String>,
}

/// What to do with a series.
#[derive(Debug, Subcommand)]
pub(crate) enum Control {
    /// Lets nothing of a series begin any more, for good; what is at work is broken off.
    Cancel(Controlled),
    /// Lets nothing of a series begin until it is resumed.
    Pause(Controlled),
    /// Lets a series go on that is paused.
    Resume(Controlled),
}

/// A series, who says something of it, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Controlled {
    #[command(flatten)]
    pub(crate) admin: Admin,

    /// The trace ID: 32 digits, as in `headgate-trace-id`.
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) by: By,
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// Lists dead letters, the oldest first. Exit code 1 when one waits.
    List(List),
    /// Shows one, with its event.
    Show(Letter),
    /// Has them handled again: one, all that match, or all.
    Redrive(Redrive),
    /// Says what became of one, without handling it again.
    Resolve(Resolve),
}

/// Which letters.
#[derive(Debug, clap::Args)]
pub(crate) struct Matching {
    /// Only those given up for this reason, such as `attempts`.
    #[arg(long)]
    pub(crate) reason: Option<String>,

    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,

    /// Only events of this key.
    #[arg(long)]
    pub(crate) key: Option<String>,
}

/// Which letters to list.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) admin: Admin,

    /// The handler, as `TEAM.HANDLER`. By default all that run.
    pub(crate) group: Option<String>,

    #[command(flatten)]
    pub(crate) matching: Matching,
}

/// One letter.
#[derive(Debug, clap::Args)]
pub(crate) struct Letter {
    #[command(flatten)]
    pub(crate) admin: Admin,

    /// The handler, as `TEAM.HANDLER`.
    pub(crate) group: String,

    /// The letter's name, as the list has it.
    pub(crate) id: String,
}

/// Who does it, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct By {
    /// Who you are, for the audit.
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    pub(crate) actor: String,

    /// Why, for the audit.
    #[arg(long = "because", value_name = "TEXT", default_value = "")]
    pub(crate) why: String,
}

/// Which letters to have handled again.
#[derive(Debug, clap::Args)]
pub(crate) struct Redrive {
    #[command(flatten)]
    pub(crate) admin: Admin,

    /// The handler, as `TEAM.HANDLER`.
    pub(crate) group: String,

    /// One letter, by its name. By default all that match.
    pub(crate) id: Option<String>,

    #[command(flatten)]
    pub(crate) matching: Matching,

    /// Only tells what would be done.
    #[arg(long, conflicts_with = "id")]
    pub(crate) dry_run: bool,

    /// Letters a second at most. By default as fast as it goes.
    #[arg(long, value_name = "COUNT")]
    pub(crate) rate: Option<u32>,

    #[command(flatten)]
    pub(crate) by: By,
}

/// What became of a letter.
#[derive(Debug, clap::Args)]
pub(crate) struct Resolve {
    #[command(flatten)]
    pub(crate) letter: Letter,

    /// What became of it.
    #[arg(long = "as", value_name = "HOW")]
    pub(crate) resolution: Became,

    /// With `done`: a file with the result, JSON. Without it: null.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) result: Option<PathBuf>,

    /// With `rejected`: why, which whoever asks for the result reads.
    #[arg(long, value_name = "TEXT")]
    pub(crate) error: Option<String>,

    #[command(flatten)]
    pub(crate) by: By,
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Became {
    /// Its effect happened.
    Done,
    /// It is refused for good.
    Rejected,
    /// It did not happen: it is handled again.
    Retry,
}
