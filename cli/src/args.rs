//! The command line: verbs and their arguments.

mod control;
mod demo;
pub(crate) mod events;
mod idempotency;
pub(crate) mod identity;
mod overload;
mod probe;
mod upstreams;

use std::{path::PathBuf, time::Duration};

use clap::{
    Parser, Subcommand, ValueEnum, ValueHint,
    builder::{PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;
use headgate_config::audit::Severity;
use http::{HeaderName, HeaderValue, Method, Uri};

pub(crate) use crate::args::{
    control::{EndTerms, OverlayTerms, RollbackTo, SetOverlay, UnsetOverlay},
    demo::Demo,
    idempotency::{HeldKey, HeldList, HeldResolve, Idempotency, Resolution},
    overload::{By, History, Shed, ShedChaos, ShedSet, ShedSimulate, Tail, Top, Why},
    probe::Probe,
    upstreams::Drain,
};

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
    /// Serves with three sample BFFs and shows what to try; needs nothing else. With `--kafka` and
    /// `--dynamodb` it is two edges on one log.
    Demo(Demo),
    /// Serves until SIGTERM or Ctrl-C.
    Run(Run),
    /// Takes over from the edge that runs with the same `data.dir`, without a gap, and serves as
    /// `run` does.
    ///
    /// Fails before anything has changed when the configuration can't be used. The running edge
    /// does the same by itself on SIGQUIT.
    Upgrade(Run),
    /// Checks a configuration and tells every fault at once; opens no socket.
    Check(Config),
    /// Reports what a configuration may say and what is hardly meant all the same.
    Audit(Audit),
    /// Tells what the edge would do with a request, and why.
    Explain(Explain),
    /// Tells what a configuration would change, and which recent requests would notice.
    Plan(Plan),
    /// Lists the routes, the first to be preferred first.
    Routes(Routes),
    /// Shows what a configuration comes to, and sets values of a running edge for a while.
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Asks a running edge how it is.
    Status(Admin),
    /// Shows what goes through a running edge: routes, device classes or endpoints.
    Top(Top),
    /// Shows the exchanges of a running edge as they end.
    Tail(Tail),
    /// Shows limits, who holds their permits, and breakers of a running edge.
    Limits(Admin),
    /// Shows what is shed and why, and moves it for a while.
    #[command(subcommand)]
    Shed(Shed),
    /// Keeps new calls from one endpoint of a running edge for a while; what is under way there goes
    /// on. It ends with its time, or by `config unset`.
    Drain(Drain),
    /// Tells what has moved and changed on a running edge: limits, breakers, configuration; with
    /// `--versions` what operators have changed on all edges of its log.
    History(History),
    /// Restores what operators had put over the files at an earlier version, on all edges of the log.
    Rollback(RollbackTo),
    /// Tells the life of a recent exchange: what decided on it, and by what numbers. Exit code 1 when
    /// none of the trace is kept.
    Why(Why),
    /// Lets the edge send its own requests the whole way now, and tells what came of them. Exit code 1
    /// when one fails.
    Probe(Probe),
    /// Tells how the answers to copied requests compare.
    #[command(subcommand)]
    Mirror(Mirror),
    /// Tells how far routes are on their way off legacy services.
    #[command(subcommand)]
    Strangle(Strangle),
    /// Decodes, verifies or makes a token.
    #[command(subcommand)]
    Token(identity::Token),
    /// Lets another key sign Passports.
    #[command(subcommand)]
    Passport(identity::Passport),
    /// Finds idempotency keys that wait for a person, and settles them.
    #[command(subcommand)]
    Idempotency(Idempotency),
    /// Shows what stands in the topics of a running edge.
    #[command(subcommand)]
    Events(events::Events),
    /// Lists the topics of a running edge.
    Topics(Admin),
    /// Lists the groups of handlers of a running edge: how far behind, paused, blocked.
    Groups(Admin),
    /// Finds events that were given up, and brings them back.
    #[command(subcommand)]
    Dlq(events::Dlq),
    /// Shows a series as a tree: what began it, what handled it, what followed.
    Trace(events::Trace),
    /// Prints the JSON Schema of headgate.toml, for an editor that reads `#:schema FILE` in the
    /// first line.
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

/// What to serve.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) config: Config,

    /// Refuses to start when any file has a fault, instead of serving what was last good.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// What to report.
#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) config: Config,

    /// A rule that is not wanted, by number or name; with `:SUBJECT` for one route, team or file
    /// alone, such as `HGA001:tv/home`. May be given several times.
    #[arg(long, value_name = "RULE")]
    pub(crate) ignore: Vec<String>,

    /// The least severity that ends with code 1.
    #[arg(long, value_name = "SEVERITY", default_value = "low", value_parser = severity())]
    pub(crate) fail_on: Severity,

    /// The admin listener of a running edge, such as `http://127.0.0.1:9900`, for its counts of
    /// requests.
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<Uri>,
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

/// What to do with a configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Lists the values that are set, and which layer has set each.
    Show(Show),
    /// Puts a value over the files' of a running edge until it expires: an overlay.
    Set(SetOverlay),
    /// Ends an overlay before its time.
    Unset(UnsetOverlay),
    /// Lists the overlays of a running edge.
    Overlays(Admin),
}

/// Which values to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) config: Config,

    /// Lists what is so by default as well.
    #[arg(long)]
    pub(crate) effective: bool,

    /// Tells every layer that has a say on this key, such as `edge.timeout` or
    /// `team.tv.route.home.timeout`, or on all keys below it.
    #[arg(long, value_name = "KEY")]
    pub(crate) why: Option<String>,

    /// Lists what was in force on the running edge instead, as it took effect: at a version such as
    /// `7`, at a time such as `14:03` or `2026-11-21T14:03:00Z` in UTC, or so long ago as `15m`.
    #[arg(long, value_name = "WHEN", conflicts_with = "effective")]
    pub(crate) at: Option<String>,

    /// The admin listener, such as `http://127.0.0.1:9900`. By default the one of the configuration.
    #[arg(long, value_name = "URL", requires = "at")]
    pub(crate) admin: Option<Uri>,
}

/// Whom to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Admin {
    /// The admin listener, such as `http://127.0.0.1:9900`. By default the one of the configuration,
    /// or else this address.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub(crate) admin: Option<Uri>,

    /// The platform's file, for its `admin.listen`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

/// What to ask about mirrors.
#[derive(Debug, Subcommand)]
pub(crate) enum Mirror {
    /// Sums up what became of the copies, route by route. Exit code 1 when answers differ.
    Report(Admin),
}

/// What to ask about legacy services.
#[derive(Debug, Subcommand)]
pub(crate) enum Strangle {
    /// Lists the routes that still can send to one, with the share that is left. Exit code 1 when
    /// one is overdue.
    Status(Admin),
}

/// Which schema to print.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Schema {
    /// The schema of a team's file instead.
    #[arg(long)]
    pub(crate) team: bool,

    /// The schema of a file of API keys instead.
    #[arg(long)]
    pub(crate) api_keys: bool,

    /// A Grafana dashboard of the edge's metrics instead.
    #[arg(long)]
    pub(crate) dashboard: bool,

    /// Prometheus' alert rules for the edge's metrics instead, in YAML.
    #[arg(long)]
    pub(crate) alerts: bool,

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
    /// The admin API.
    HttpApi,
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

fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str))
        .try_map(|text| text.parse::<Severity>())
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
