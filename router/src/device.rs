//! Tells the kind of client that calls.

use std::{fmt, str::FromStr, sync::Arc};

use headgate_types::Device;
use serde::Serialize;

use crate::{ParseError, facts::Facts};

/// Text that is no condition.
pub type ParseConditionError = ParseError;

/// A device class and what tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The class.
    pub name: Arc<str>,
    /// What tells it: any one condition suffices.
    pub when: Vec<Condition>,
}

/// One test of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    text: String,
}

impl FromStr for Condition {
    type Err = ParseConditionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.to_owned() })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Tells the class of a request.
#[derive(Clone, Debug)]
pub struct Classifier {
    unknown: Device,
}

/// Why a request got its class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The class.
    pub class: String,
    /// Why.
    pub reason: String,
}

impl Classifier {
    /// Prepares the rules.
    pub fn new(_rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { unknown: Device { class: "unknown".into(), reason: "no rule matched".into() } }
    }

    /// Whether a rule reads claims, so that authentication must come first.
    pub fn needs_claims(&self) -> bool {
        false
    }

    /// Tells the class.
    pub fn classify(&self, _facts: &Facts<'_>) -> Device {
        self.unknown.clone()
    }

    /// Tells the class and why.
    pub fn explain(&self, _facts: &Facts<'_>) -> Explanation {
        let Device { class, reason } = self.unknown.clone();
        Explanation { class: class.as_ref().to_owned(), reason: reason.as_ref().to_owned() }
    }
}
