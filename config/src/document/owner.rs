//! What a team owns, and what its routes may ask for.

use headgate_types::Class;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::{HostPattern, Length, Name, PathPrefix, Until};

/// What a team may route.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Team {
    /// What the team's routes may match. Without a claim a team can't route anything, but for what
    /// others delegate to it. No request can lie in the claims of two teams, unless one of them
    /// has delegated it to the other.
    #[schemars(length(max = 256))]
    pub(crate) claims: Vec<Claim>,
    /// Parts of the claims that another team may route beside this one.
    #[schemars(length(max = 256))]
    pub(crate) delegate: Vec<Delegation>,
    /// What the team's routes may ask for.
    pub(crate) ceiling: Ceiling,
}

/// Requests that a team may route.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["prefix"]))]
pub(crate) struct Claim {
    /// A host, the hosts below a domain (`*.example`), or any host (`*`).
    pub(crate) host: HostPattern,
    /// The start of the path. `/tv/` holds everything below it; `/tv` also holds `/tv` itself.
    pub(crate) prefix: PathPrefix,
    /// The device classes, where two teams share host and path: routes must then name some of
    /// these by `device=`. Without this key: all, and routes need not name any.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) devices: Option<Vec<Name>>,
}

impl Default for Claim {
    fn default() -> Self {
        Self { host: any_host(), prefix: PathPrefix(String::new()), devices: None }
    }
}

fn any_host() -> HostPattern {
    HostPattern("*".to_owned())
}

/// A part of a team's claims that another team may route as well.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["prefix", "to"]))]
pub(crate) struct Delegation {
    /// The host, one that is claimed. Without this key: those of the claims that hold `prefix`.
    pub(crate) host: Option<HostPattern>,
    /// The start of the path, inside a claim.
    pub(crate) prefix: PathPrefix,
    /// The other team, the only one that this part is delegated to.
    pub(crate) to: String,
    /// The last day, or a moment, in UTC. After it the other team's routes in this part are at
    /// fault; `headgate check` warns 30 days ahead. Without this key it does not end.
    pub(crate) until: Option<Until>,
}

impl Default for Delegation {
    fn default() -> Self {
        Self { host: None, prefix: PathPrefix(String::new()), to: String::new(), until: None }
    }
}

/// What a team's routes may ask for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ceiling {
    /// The most important class that a route may have. Without this key: any. A route that names
    /// none gets `standard`, or this where it is less.
    pub(crate) priority: Option<Class>,
    /// The longest `timeout` of a route. Without this key: any. A route that names none gets
    /// `edge.timeout`, or this where it is shorter.
    pub(crate) timeout: Option<Length>,
    /// Whether a route may let anybody in, by `auth = "none"` or by naming no source. If not, each
    /// route of the team must name an identity source.
    pub(crate) public: bool,
}

/// Public, as a route that names no source is everywhere else in the field; the audit lists such
/// routes, and whoever wants them to be the exception says so for each team.
impl Default for Ceiling {
    fn default() -> Self {
        Self { priority: None, timeout: None, public: true }
    }
}
