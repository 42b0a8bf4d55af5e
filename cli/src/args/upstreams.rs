//! Arguments of the verbs on upstreams.

use crate::args::{Admin, OverlayTerms};

/// Which endpoint to drain, for how long, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Drain {
    /// The upstream, as `team/name`.
    #[arg(value_name = "TEAM/UPSTREAM")]
    pub(crate) upstream: String,

    /// The endpoint, as `headgate status` spells it.
    #[arg(value_name = "ENDPOINT")]
    pub(crate) endpoint: String,

    #[command(flatten)]
    pub(crate) terms: OverlayTerms,

    #[command(flatten)]
    pub(crate) admin: Admin,
}
