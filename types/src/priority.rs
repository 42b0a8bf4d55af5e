//! What is kept longest when not everything can be served.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Levels inside each class: 0 is shed last, `LEVELS - 1` first.
pub const LEVELS: u8 = 128;

/// The class of a request, most important first.
///
/// Netflix's CRITICAL, DEGRADED, `BEST_EFFORT` and BULK ("Enhancing Netflix Reliability with
/// Service-Level Prioritized Load Shedding", 2024), the second under a plainer name.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The user waits and the product fails without it.
    Critical,
    /// The user waits.
    #[default]
    Standard,
    /// The user would hardly notice: prefetch, personalization.
    BestEffort,
    /// Nobody waits: telemetry, batch.
    Bulk,
}

impl Class {
    /// All classes, most important first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::Standard, Self::BestEffort, Self::Bulk];

    /// The word used in configuration, headers, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Standard => "standard",
            Self::BestEffort => "best_effort",
            Self::Bulk => "bulk",
        }
    }

    /// Position in [`Class::ALL`]: 0 is the most important.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected critical, standard, best_effort or bulk")]
pub struct ParsePriorityError;

impl FromStr for Class {
    type Err = ParsePriorityError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|class| class.as_str() == word).ok_or(ParsePriorityError)
    }
}

/// A class and a level inside it. Orders by importance: the lesser is kept longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority {
    class: Class,
    level: u8,
}

impl Priority {
    /// Joins a class and a level; a level above `LEVELS - 1` becomes that.
    pub const fn new(class: Class, level: u8) -> Self {
        let level = if level < LEVELS { level } else { LEVELS - 1 };
        Self { class, level }
    }

    /// The class.
    pub const fn class(self) -> Class {
        self.class
    }

    /// The level inside the class, from 0 (kept longest) to `LEVELS - 1`.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// Position on the one scale over all classes, from 0 (kept longest) to 511.
    pub fn rank(self) -> u16 {
        u16::from(self.class as u8) * u16::from(LEVELS) + u16::from(self.level)
    }

    /// The less important of the two: a client may lower its priority, never raise it.
    #[must_use]
    pub fn lowered_to(self, wish: Class) -> Self {
        if wish > self.class { Self::new(wish, self.level) } else { self }
    }
}

impl From<Class> for Priority {
    fn from(class: Class) -> Self {
        Self::new(class, 0)
    }
}

#[cfg(test)]
mod tests;
