//! What is wrong with text that somebody wrote, and where.

use std::{borrow::Cow, ops::Range};

/// Text that does not parse, with the place to put a caret under.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; allowed is {allowed}")]
pub struct ParseError {
    span: Range<usize>,
    what: Cow<'static, str>,
    allowed: Cow<'static, str>,
}

impl ParseError {
    /// Names a fault at a byte range of the text.
    pub fn new(
        span: Range<usize>,
        what: impl Into<Cow<'static, str>>,
        allowed: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { span, what: what.into(), allowed: allowed.into() }
    }

    /// The bytes of the text that are at fault, on character boundaries. Empty where something is
    /// missing.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What is wrong, lowercase and without a full stop.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What may stand there instead.
    pub fn allowed(&self) -> &str {
        &self.allowed
    }
}
