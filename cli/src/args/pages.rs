//! What to print of the program itself.

use clap::ValueEnum;
use clap_complete::Shell;

/// Which schema to print.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(crate) struct Schema {
    /// The schema of a team's file instead.
    #[arg(long)]
    pub(crate) team: bool,

    /// The schema of a file of API keys instead.
    #[arg(long)]
    pub(crate) api_keys: bool,

    /// A reference page instead: of all keys where nothing is named.
    #[arg(long, value_name = "PAGE", num_args = 0..=1, default_missing_value = "keys")]
    pub(crate) markdown: Option<Page>,
}

/// A reference page.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Page {
    /// All keys of the documents.
    Keys,
    /// All metrics.
    Metrics,
    /// All rules of the audit.
    Audit,
}

/// For which shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(required_unless_present = "markdown")]
    pub(crate) shell: Option<Shell>,

    /// The reference page of all verbs instead.
    #[arg(long)]
    pub(crate) markdown: bool,
}
