//! Arguments of the verbs about overload and single exchanges.

use std::time::Duration;

use headgate_types::TraceId;

use crate::args::Admin;

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

    /// So many routes at most, the busiest ones.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) routes: usize,
}
