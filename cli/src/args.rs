//! The command line: verbs and their arguments.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use http::{HeaderName, HeaderValue, Method, Uri};

/// An edge that routes devices to their BFFs.
///
/// Exit codes: 0 ok, 1 findings or differences, 2 invalid input, 3 unreachable.
#[derive(Debug, Parser)]
#[command(name = "headgate", version, max_term_width = 100)]
pub(crate) struct Args {
    /// Prints JSON for machines.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Serves with three sample BFFs and shows what to try; needs nothing else.
    Demo,
    /// Serves until SIGTERM or Ctrl-C.
    Run(Config),
    /// Checks a configuration and tells every fault at once; opens no socket.
    Check(Config),
    /// Tells what the edge would do with a request, and why.
    Explain(Explain),
    /// Tells what a configuration would change, and which recent requests would notice.
    Plan(Plan),
    /// Lists the routes, the first to be preferred first.
    Routes(Routes),
    /// Asks a running edge how it is.
    Status(Status),
    /// Prints the JSON Schema of headgate.toml.
    Schema(Schema),
    /// Prints a script that completes these verbs in a shell.
    Completions(Completions),
}

/// A configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Config {
    /// The platform's file.
    #[arg(long, value_name = "FILE", default_value = "headgate.toml", value_hint = ValueHint::FilePath)]
    pub(crate) config: PathBuf,
}

/// A request that nobody sends.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) config: Config,

    /// The method, such as GET.
    #[arg(value_parser = method)]
    pub(crate) method: Method,

    /// The URL, such as `http://api.example/tv/home/1`.
    pub(crate) url: Uri,

    /// A header of the request. Credentials are verified as the edge would.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE", value_parser = header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// A configuration that is not in force yet.
#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) config: Config,

    /// The admin listener of the edge that it is for, such as `http://127.0.0.1:9900`. By default
    /// the one of the configuration.
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<Uri>,

    /// A configuration to compare with instead of the one in force.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) against: Option<PathBuf>,

    /// Decides again on the requests of this time up to the present, such as `15m`, of which the
    /// edge has kept the facts.
    #[arg(long, value_name = "LENGTH", value_parser = crate::plan::length)]
    pub(crate) replay: Option<Duration>,
}

/// Which routes to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Routes {
    #[command(flatten)]
    pub(crate) config: Config,

    /// Only those of this team.
    #[arg(long, value_name = "NAME")]
    pub(crate) team: Option<String>,
}

/// Whom to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// The admin listener, such as `http://127.0.0.1:9900`. By default the one of the configuration,
    /// or else this address.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub(crate) admin: Option<Uri>,

    /// The platform's file, for its `admin.listen`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

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

fn method(text: &str) -> Result<Method, String> {
    let method = Method::from_bytes(text.as_bytes());
    let is_upper = !text.bytes().any(|byte| byte.is_ascii_lowercase());
    method.ok().filter(|_| is_upper).ok_or_else(|| "expected a method such as GET".to_owned())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let expected = || "expected a header such as 'x-app: tv/7.3'".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(expected)?;
    let name = name.trim().parse().map_err(|_| expected())?;
    Ok((name, value.trim().parse().map_err(|_| expected())?))
}

#[cfg(test)]
mod tests;
