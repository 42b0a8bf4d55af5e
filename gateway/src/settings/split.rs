//! How a route's requests are divided between upstreams.

use std::sync::Arc;

use headgate_router::split::Weight;
use headgate_types::UnixTime;

/// How a route's requests are divided between upstreams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What it is for.
    pub kind: SplitKind,
    /// What keeps the arm that it got.
    pub sticky: Sticky,
    /// What is hashed before the unit.
    pub salt: Arc<str>,
    /// The arms, in an order that is a part of the division.
    pub arms: Vec<Arm>,
    /// Who gets what no arm takes, and every request without a unit. Its weight is what the arms
    /// leave over.
    pub rest: Arm,
}

/// One upstream among those of a split route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// Its name, unique in the route.
    pub name: Arc<str>,
    /// Its upstream, as an index into [`crate::settings::Settings::upstreams`].
    pub upstream: usize,
    /// Its share.
    pub weight: Weight,
}

/// What a split is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitKind {
    /// A trial version: one arm.
    Canary,
    /// Several versions side by side.
    Experiment,
    /// A way off a legacy service, which is the rest. Without an arm: nobody has left yet.
    Strangle {
        /// When nobody may be left. None: no date is set.
        ends: Option<UnixTime>,
    },
}

impl SplitKind {
    /// The key that asks for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Experiment => "experiment",
            Self::Strangle { .. } => "strangle",
        }
    }
}

/// What keeps the arm that it got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sticky {
    /// The one device: the claim that the identity source names, by default the subject.
    #[default]
    DeviceId,
    /// The subject.
    User,
    /// Nothing: each request is drawn by its trace.
    Trace,
}

impl Sticky {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeviceId => "device_id",
            Self::User => "user",
            Self::Trace => "trace",
        }
    }
}

/// Who may choose an arm of a split route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testers {
    /// The text of the JSON Web Key Set that verifies their tokens.
    pub keys: Arc<str>,
}

impl Testers {
    /// Checks that the keys can be used.
    ///
    /// # Errors
    ///
    /// [`crate::identity::Error`] when the key set does not parse or holds no key that can be used.
    pub fn check(&self) -> Result<(), crate::identity::Error> {
        crate::identity::check(&crate::testers::source(self))
    }
}
