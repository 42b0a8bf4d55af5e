//! Tells the kind of client that calls.
//!
//! A class is told by conditions, one line of text each:
//!
//! | condition | holds when |
//! | --- | --- |
//! | `*` | always |
//! | `header NAME` | the header is there; its first line counts |
//! | `ua` | the same for `user-agent` |
//! | `hint NAME` | the client hint is there: `platform`, `mobile`, `model`, `brand` |
//! | `claim NAME` | the caller's verified token has the claim |
//!
//! Each but `*` can go on with `== 'text'`, `contains 'text'` or `~ 'expression'`; a quote inside
//! is doubled.
//!
//! Client hints are `sec-ch-ua-platform`, `sec-ch-ua-mobile`, `sec-ch-ua-model` and the brands in
//! `sec-ch-ua` (W3C, User-Agent Client Hints). Their quotes are taken off. `mobile` is `?1` or
//! `?0`, and `hint mobile` alone holds for `?1`. Any one brand suffices.
//!
//! A group named `ver` in an expression finds the version of the device's app, which routes compare:
//! `header x-app ~ '^tv/(?<ver>[0-9.]+)'`.
//!
//! A claim is compared when it is a text, a whole number or a boolean, and, when it is a list, by
//! any of its elements.

use std::sync::Arc;

use headgate_types::Device;
use serde::Serialize;

use crate::{ParseError, facts::Facts};

mod condition;
mod hint;

pub use condition::Condition;

/// Text that is no condition: where, what, and what is allowed there.
pub type ParseConditionError = ParseError;

/// The class of a request that no rule tells.
pub const UNKNOWN: &str = "unknown";

/// A device class and what tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The class.
    pub name: Arc<str>,
    /// What tells it: any one condition suffices.
    pub when: Vec<Condition>,
}

/// Tells the class of a request: the first rule with a condition that holds.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// Every condition with what is answered when it holds, in the order of the rules.
    steps: Vec<Step>,
    unknown: Device,
}

#[derive(Clone, Debug)]
struct Step {
    condition: Condition,
    device: Device,
}

/// Why a request got its class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The class.
    pub class: String,
    /// The condition that told it, or that none did.
    pub reason: String,
    /// The version of the device's app, where that condition finds one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The conditions that were tried, in order; the last one holds unless the class is unknown.
    pub tried: Vec<Tried>,
}

/// A condition that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// The class that it would have told.
    pub class: String,
    /// The condition.
    pub condition: String,
    /// Whether it held.
    pub held: bool,
}

impl Classifier {
    /// Prepares rules, so that telling a class allocates nothing.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let step = |class: &Arc<str>, condition: Condition| {
            let reason = condition.to_string().into();
            Step { condition, device: Device { class: Arc::clone(class), reason, version: None } }
        };
        let steps = rules.into_iter().flat_map(|Rule { name, when }| {
            when.into_iter().map(move |condition| step(&name, condition))
        });
        let reason = "no rule matched".into();
        let unknown = Device { class: UNKNOWN.into(), reason, version: None };
        Self { steps: steps.collect(), unknown }
    }

    /// Whether a condition reads claims, so that callers must be authenticated first.
    pub fn needs_claims(&self) -> bool {
        self.steps.iter().any(|step| step.condition.reads_claims())
    }

    /// Tells the class, with the condition that told it as the reason.
    pub fn classify(&self, facts: &Facts<'_>) -> Device {
        self.find(facts, |_, _| ())
    }

    /// Tells the class and what was tried.
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        let mut tried = Vec::new();
        let device = self.find(facts, |step, held| {
            tried.push(Tried {
                class: step.device.class.as_ref().to_owned(),
                condition: step.condition.to_string(),
                held,
            });
        });
        Explanation {
            class: device.class.as_ref().to_owned(),
            reason: device.reason.as_ref().to_owned(),
            version: device.version.map(|version| version.to_string()),
            tried,
        }
    }

    fn find(&self, facts: &Facts<'_>, mut tried: impl FnMut(&Step, bool)) -> Device {
        let holds = |step: &&Step| {
            let held = step.condition.holds(facts);
            tried(step, held);
            held
        };
        let Some(step) = self.steps.iter().find(holds) else { return self.unknown.clone() };
        Device { version: step.condition.version(facts), ..step.device.clone() }
    }
}

#[cfg(test)]
mod tests;
