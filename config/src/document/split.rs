//! `canary`, `experiment` and `strangle` of a route, and who may choose an arm of them.

use std::collections::BTreeMap;

use headgate_gateway::settings as gateway;
use headgate_router::split::Weight;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::{Date, Name, Percent};

/// A trial version of the service, which gets a share of the requests. The arms are `canary` and
/// `stable`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["to", "weight"]))]
pub(crate) struct Canary {
    /// The upstream of the trial version, one of the same team.
    pub(crate) to: String,
    /// Its share. Raised, it takes in more and lets none go.
    pub(crate) weight: Percent,
    /// What keeps the arm that it got. A request without it stays with the route's `to`.
    pub(crate) sticky: Sticky,
    /// What the draw begins with: a new one draws everybody anew, and routes with the same one draw
    /// alike. Without this key: `TEAM/ROUTE`.
    pub(crate) salt: Option<Name>,
}

/// Versions of the service side by side. What they leave over goes to the route's `to`, as arm
/// `control`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["arms"]))]
pub(crate) struct Experiment {
    /// The versions by name. One more or less draws everybody anew.
    #[schemars(extend(
        "propertyNames" = { "x-syntax": "name" }, "minProperties" = 1, "maxProperties" = 16
    ))]
    pub(crate) arms: BTreeMap<String, Arm>,
    /// What keeps the arm that it got. A request without it stays with the route's `to`.
    pub(crate) sticky: Sticky,
    /// What the draw begins with: a new one draws everybody anew, and routes with the same one draw
    /// alike. Without this key: `TEAM/ROUTE`.
    pub(crate) salt: Option<Name>,
}

/// A version among others.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["to", "weight"]))]
pub(crate) struct Arm {
    /// The version's upstream, one of the same team.
    pub(crate) to: String,
    /// Its share, at most an even share of all arms: `50%` of two, `33.33%` of three. Raised, it
    /// takes in more and lets none go.
    pub(crate) weight: Percent,
}

/// The way off a legacy service, prefix by prefix. The arms are `new`, which is the route's `to`,
/// and `old`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["old", "weight"]))]
pub(crate) struct Strangle {
    /// The upstream of the legacy service, one of the same team.
    pub(crate) old: String,
    /// The share that has left it. Raised, it takes in more and lets none go.
    pub(crate) weight: Percent,
    /// What keeps the arm that it got. A request without it stays with `old`.
    pub(crate) sticky: Sticky,
    /// What the draw begins with: a new one draws everybody anew, and routes with the same one draw
    /// alike. Without this key: `TEAM/ROUTE`.
    pub(crate) salt: Option<Name>,
    /// When nobody may be left on `old`. `headgate strangle status` says what is overdue; nothing
    /// is moved by it.
    pub(crate) ends: Option<Date>,
}

/// Testers, who may choose their arm of a split route: by a signed token in `headgate-arm`, with the
/// claims `aud` (`headgate-arm`), `sub`, `exp` (at most 24 hours away), `route` (`TEAM/ROUTE`) and
/// `arm`. A token that is not good for the route is ignored and counted. BFFs never see it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["jwks_file"]))]
pub(crate) struct Testers {
    /// File with the JSON Web Key Set that verifies their tokens.
    pub(crate) jwks_file: String,
}

/// What keeps the arm that it got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sticky {
    /// The one device: the claim that the identity source names, by default the subject.
    #[default]
    DeviceId,
    /// The caller's subject.
    User,
    /// Nothing: each request is drawn by its trace.
    Trace,
}

impl From<Sticky> for gateway::Sticky {
    fn from(sticky: Sticky) -> Self {
        match sticky {
            Sticky::DeviceId => Self::DeviceId,
            Sticky::User => Self::User,
            Sticky::Trace => Self::Trace,
        }
    }
}

impl Default for Canary {
    fn default() -> Self {
        let weight = Percent(Weight::NONE);
        Self { to: String::new(), weight, sticky: Sticky::default(), salt: None }
    }
}

impl Default for Arm {
    fn default() -> Self {
        Self { to: String::new(), weight: Percent(Weight::NONE) }
    }
}

impl Default for Strangle {
    fn default() -> Self {
        let weight = Percent(Weight::NONE);
        Self { old: String::new(), weight, sticky: Sticky::default(), salt: None, ends: None }
    }
}
