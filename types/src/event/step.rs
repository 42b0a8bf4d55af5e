//! Where an event stands in its series.

use std::{fmt, str::FromStr, sync::Arc};

/// Steps from a root to an event at most. A series that goes on further feeds itself.
pub const DEPTH_MAX: usize = 64;

/// A path from the root: `0`, its second follower `0.2`, the first one of that `0.2.1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step(Arc<str>);

/// The series has as many steps as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the series is {DEPTH_MAX} steps deep, which is as far as one goes")]
pub struct TooDeep;

/// Text that is no step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a path of at most {DEPTH_MAX} steps, as \"0.2.1\"")]
pub struct ParseStepError;

impl Step {
    /// The first event of a series.
    pub fn root() -> Self {
        Self("0".into())
    }

    /// The step of what follows from here. The first follower's ordinal is 1.
    ///
    /// # Errors
    ///
    /// [`TooDeep`] from a step that is [`DEPTH_MAX`] deep.
    pub fn follow(&self, ordinal: u32) -> Result<Self, TooDeep> {
        if self.depth() >= DEPTH_MAX {
            return Err(TooDeep);
        }
        Ok(Self(format!("{}.{ordinal}", self.0).into()))
    }

    /// Steps from the root, which is 0 deep.
    pub fn depth(&self) -> usize {
        self.0.bytes().filter(|byte| *byte == b'.').count()
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Step {
    type Err = ParseStepError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let mut ordinals = path.split('.');
        let is_rooted = ordinals.next() == Some("0");
        let is_ordinal = |text: &str| text.parse::<u32>().is_ok() && !text.starts_with(['0', '+']);
        let step = Self(path.into());
        let is_step = is_rooted && ordinals.all(is_ordinal) && step.depth() <= DEPTH_MAX;
        is_step.then_some(step).ok_or(ParseStepError)
    }
}

#[cfg(test)]
mod tests;
