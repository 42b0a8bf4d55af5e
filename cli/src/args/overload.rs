//! Arguments of the verbs about overload and single exchanges.

use std::{path::PathBuf, time::Duration};

use clap::{Subcommand, ValueEnum, ValueHint};
use headgate_types::TraceId;

use crate::args::{Admin, OverlayTerms};

/// Which exchange.
#[derive(Debug, clap::Args)]
pub(crate) struct Why {
    /// The `headgate-trace-id` of the answer.
    #[arg(value_name = "TRACE_ID")]
    pub(crate) trace: TraceId,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// How to watch.
#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) admin: Admin,

    /// Time between two looks, such as `1s`.
    #[arg(long, value_name = "LENGTH", default_value = "1s", value_parser = crate::plan::length)]
    pub(crate) every: Duration,

    /// Prints what changed between two looks, once.
    #[arg(long)]
    pub(crate) once: bool,

    /// So many rows at most, the busiest ones.
    #[arg(long, value_name = "COUNT", default_value_t = 20, alias = "routes")]
    pub(crate) rows: usize,

    /// What a row is.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = By::Route)]
    pub(crate) by: By,
}

/// What is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Routes, by the metrics.
    Route,
    /// Device classes, by the access lines of that time.
    Device,
    /// Endpoints of upstreams, by the attempts in the access lines of that time.
    Endpoint,
}

/// Which lines to show.
#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    /// Only lines for which this holds, such as `route==home && outcome!=ok && duration>=500ms`.
    /// Texts take `==`, `!=`, `contains` and `~` with a regular expression; `status`, `attempts`,
    /// `request_bytes`, `response_bytes` and `duration` take `==`, `!=`, `>=`, `>`, `<=` and `<`.
    #[arg(long = "where", value_name = "FILTER", default_value = "")]
    pub(crate) filter: String,

    /// Ends after so many lines.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) limit: u64,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// What to do about shedding.
#[derive(Debug, Subcommand)]
pub(crate) enum Shed {
    /// Shows for each route its limit, what is in flight, its class, and why anything is shed.
    Status(Admin),
    /// Puts values in force until they expire: overlays, which outlast a restart and end by
    /// themselves. `headgate config unset` ends one before its time.
    Set(ShedSet),
    /// Tells who would be refused of recent requests with the limits of another configuration. Exit
    /// code 1 when it would refuse more of any class.
    Simulate(ShedSimulate),
    /// Refuses a share of a class's requests, to see whether it is true that nobody misses them.
    /// Ends by itself when requests of a higher class fail more than before, with exit code 1.
    Chaos(ShedChaos),
}

/// What to set.
#[derive(Debug, clap::Args)]
pub(crate) struct ShedSet {
    /// Such as `cut.bulk=60%` or `mode=observe` of the edge, `concurrency.max=50` of an upstream,
    /// `priority=bulk` of a route. Several are set together.
    #[arg(value_name = "KEY=VALUE", required = true)]
    pub(crate) settings: Vec<String>,

    /// Of this upstream, as `team/name`.
    #[arg(long, value_name = "TEAM/NAME", conflicts_with = "route")]
    pub(crate) upstream: Option<String>,

    /// Of this route, as `team/name`.
    #[arg(long, value_name = "TEAM/NAME")]
    pub(crate) route: Option<String>,

    #[command(flatten)]
    pub(crate) terms: OverlayTerms,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// What to simulate.
#[derive(Debug, clap::Args)]
pub(crate) struct ShedSimulate {
    /// The requests of this time up to the present, such as `15m`, of which the edge has kept the
    /// facts.
    #[arg(long, value_name = "LENGTH", value_parser = crate::plan::length)]
    pub(crate) last: Duration,

    /// The platform's file of the other configuration.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) with: PathBuf,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// Which class to refuse, and how much of it.
#[derive(Debug, clap::Args)]
pub(crate) struct ShedChaos {
    /// The class; critical requests are never refused so.
    #[arg(long, value_name = "CLASS", value_parser = ["standard", "best_effort", "bulk"])]
    pub(crate) class: String,

    /// The share of its requests that is refused, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) percent: u32,

    /// For how long.
    #[arg(long = "for", value_name = "LENGTH", value_parser = crate::plan::length)]
    pub(crate) lifetime: Duration,

    /// How much more of the requests of higher classes may fail or be refused than before, in
    /// percent of them.
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    pub(crate) tolerance: f64,

    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "chaos")]
    pub(crate) reason: String,

    /// Who does it.
    #[arg(long, value_name = "NAME", default_value = "operator")]
    pub(crate) actor: String,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// What to tell of the past.
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// Only what is of this time up to the present, such as `15m`.
    #[arg(long, value_name = "LENGTH", default_value = "1h", value_parser = crate::plan::length)]
    pub(crate) since: Duration,

    /// Only entries of this kind: `start`, `limit`, `breaker`, `instance`, `config`, `overlay`,
    /// `dead_letter` or `held_key`. May be given several times.
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,

    /// Only entries of this node, as entries name it. May be given several times; by default those
    /// of all edges of the log.
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Vec<String>,

    /// Lists the last versions instead: what operators have changed, on whichever edge.
    #[arg(long, conflicts_with_all = ["since", "kind", "node"])]
    pub(crate) versions: bool,

    /// So many versions at most.
    #[arg(long, value_name = "COUNT", default_value_t = 20, requires = "versions", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) limit: u16,

    #[command(flatten)]
    pub(crate) admin: Admin,
}
