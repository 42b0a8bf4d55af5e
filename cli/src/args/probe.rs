//! Arguments of `headgate probe`.

use crate::args::Admin;

/// Which probe to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Probe {
    /// The probe, as `[probe.NAME]` in headgate.toml; all of them unless one is named.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Lists the probes with their last runs, and runs none.
    #[arg(long)]
    pub(crate) list: bool,

    #[command(flatten)]
    pub(crate) admin: Admin,
}
