//! What a route matches, as one line of text.

use std::{fmt, str::FromStr};

use crate::ParseError;

/// Text that is no pattern.
pub type ParsePatternError = ParseError;

/// What a route matches: `METHOD [host]/path [predicates]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

impl Pattern {
    /// Whether the pattern lies within a claim on a host and a path prefix.
    pub fn within(&self, _host: &str, _prefix: &str) -> bool {
        true
    }

    /// The path up to its first parameter.
    pub fn prefix_literal(&self) -> &str {
        &self.text
    }
}

impl FromStr for Pattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.to_owned() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
