//! What a rule has to say.

use std::fmt;

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// From the workspace's root.
    pub(crate) path: String,
    /// From one.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// What would be right.
    pub(crate) allowed: String,
}

impl Finding {
    pub(crate) fn new(
        path: impl Into<String>,
        line: usize,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Self {
        Self { path: path.into(), line, what: what.into(), allowed: allowed.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; allowed: {}", self.path, self.line, self.what, self.allowed)
    }
}
