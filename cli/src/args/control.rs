//! Arguments of the verbs that change a running edge, and go back.

use headgate_admin::{OverlayRequest, Rollback};
use serde_json::Value;

use crate::args::Admin;

/// An overlay.
#[derive(Debug, clap::Args)]
pub(crate) struct SetOverlay {
    /// The key, such as `edge.timeout` or `team.tv.route.home.timeout`.
    pub(crate) key: String,

    /// The value: JSON, or else a text.
    pub(crate) value: String,

    #[command(flatten)]
    pub(crate) terms: OverlayTerms,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// For how long, why and by whom a value is put over the files.
#[derive(Debug, clap::Args)]
pub(crate) struct OverlayTerms {
    /// How long it is in force, at most 30d.
    #[arg(long = "for", value_name = "LENGTH")]
    pub(crate) lifetime: String,

    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,

    /// Who sets it.
    #[arg(long, value_name = "NAME", default_value = "operator")]
    pub(crate) actor: String,

    /// The version that must stand, as `headgate status` tells it. By default any, as long as nobody
    /// changes the same key meanwhile.
    #[arg(long, value_name = "VERSION")]
    pub(crate) expect: Option<u64>,
}

impl OverlayTerms {
    /// The request for one value.
    pub(crate) fn wish(&self, key: String, value: Value) -> OverlayRequest {
        OverlayRequest {
            key,
            value,
            lifetime: self.lifetime.clone(),
            actor: self.actor.clone(),
            reason: self.reason.clone(),
            expect: self.expect,
        }
    }
}

/// Which overlay.
#[derive(Debug, clap::Args)]
pub(crate) struct UnsetOverlay {
    /// Its number.
    pub(crate) id: u64,

    #[command(flatten)]
    pub(crate) terms: EndTerms,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// Why and by whom an overlay is ended.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct EndTerms {
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,

    /// Who ends it.
    #[arg(long, value_name = "NAME", default_value = "operator")]
    pub(crate) actor: String,

    /// The version that must stand. By default any.
    #[arg(long, value_name = "VERSION")]
    pub(crate) expect: Option<u64>,
}

/// Where to go back to.
#[derive(Debug, clap::Args)]
pub(crate) struct RollbackTo {
    /// The version whose overlays are to be in force again, as `headgate history --versions` numbers
    /// them; 0 is before the first.
    pub(crate) version: u64,

    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,

    /// Who goes back.
    #[arg(long, value_name = "NAME", default_value = "operator")]
    pub(crate) actor: String,

    /// The version that must stand. By default the one that stands when the edge is asked.
    #[arg(long, value_name = "VERSION")]
    pub(crate) expect: Option<u64>,

    #[command(flatten)]
    pub(crate) admin: Admin,
}

impl RollbackTo {
    /// The request.
    pub(crate) fn wish(&self) -> Rollback {
        let (actor, reason) = (self.actor.clone(), self.reason.clone());
        Rollback { to: self.version, actor, reason, expect: self.expect }
    }
}
