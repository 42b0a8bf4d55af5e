//! Tests of one value: of a header, a cookie, a client hint, a claim.

use std::fmt;

use headgate_types::Version;
use serde_json::{Number, Value};

use crate::{
    ParseError,
    text::{self, Piece},
};

mod expression;

pub(crate) use expression::Expression;

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// Anything, but there.
    Present,
    /// Exactly this.
    Equals(Box<str>),
    /// This somewhere inside.
    Contains(Box<str>),
    /// What this regular expression finds.
    Matches(Expression),
}

/// The longest value that can be asked for: longer than any device sends, short enough to keep
/// thousands of routes small.
const VALUE_BYTES_MAX: usize = 256;

impl Test {
    /// Whether a value that is there passes.
    pub(crate) fn accepts(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Equals(expected) => value == expected.as_bytes(),
            Self::Contains(part) => contains(value, part.as_bytes()),
            Self::Matches(expression) => expression.is_match(value),
        }
    }

    /// Whether a claim passes: its text, whole number or boolean, and of a list any element. One
    /// that is null is not there.
    pub(crate) fn accepts_claim(&self, claim: &Value) -> bool {
        match claim {
            Value::Array(elements) => elements.iter().any(|element| self.accepts_scalar(element)),
            scalar => self.accepts_scalar(scalar),
        }
    }

    fn accepts_scalar(&self, value: &Value) -> bool {
        match (value, self) {
            (Value::Null, _) => false,
            (_, Self::Present) => true,
            (Value::String(text), test) => test.accepts(text.as_bytes()),
            (Value::Bool(truth), test) => test.accepts(if *truth { b"true" } else { b"false" }),
            (Value::Number(number), Self::Equals(text)) => is_number(number, text),
            (Value::Number(_) | Value::Array(_) | Value::Object(_), _) => false,
        }
    }

    /// Whether it is an expression that finds the version of an app.
    pub(crate) const fn finds_version(&self) -> bool {
        matches!(self, Self::Matches(expression) if expression.finds_version())
    }

    /// The version of an app that an expression finds in a value.
    pub(crate) fn version(&self, value: &[u8]) -> Option<Version> {
        match self {
            Self::Matches(expression) => expression.version(value),
            Self::Present | Self::Equals(_) | Self::Contains(_) => None,
        }
    }

    /// Equality with a value that was read.
    pub(crate) fn equals(value: &Piece<'_>, text: &str) -> Result<Self, ParseError> {
        bounded(value, text).map(Self::Equals)
    }

    /// Containing a value that was read.
    pub(crate) fn contains(value: &Piece<'_>, text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Err(value.fault("every value contains nothing", "a text of at least one byte"));
        }
        bounded(value, text).map(Self::Contains)
    }

    /// Matching a regular expression that was read.
    pub(crate) fn matches(value: &Piece<'_>, text: &str) -> Result<Self, ParseError> {
        let text = bounded(value, text)?;
        Expression::parse(value, text).map(Self::Matches)
    }
}

fn bounded(value: &Piece<'_>, text: &str) -> Result<Box<str>, ParseError> {
    if text.len() > VALUE_BYTES_MAX {
        let allowed = format!("at most {VALUE_BYTES_MAX} bytes");
        return Err(value.fault(format!("{} bytes are too long", text.len()), allowed));
    }
    Ok(text.into())
}

/// Whole numbers only: a fraction has many spellings.
fn is_number(number: &Number, text: &str) -> bool {
    let signed = number.as_i64().map(|number| text.parse() == Ok(number));
    signed.unwrap_or_else(|| number.as_u64().is_some_and(|number| text.parse() == Ok(number)))
}

fn contains(value: &[u8], part: &[u8]) -> bool {
    value.windows(part.len()).any(|window| window == part)
}

/// As a condition is written: nothing, `== 'x'`, `contains 'x'` or `~ 'x'`, with a space before.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operator, text) = match self {
            Self::Present => return Ok(()),
            Self::Equals(text) => ("==", text.as_ref()),
            Self::Contains(text) => ("contains", text.as_ref()),
            Self::Matches(expression) => ("~", expression.text()),
        };
        write!(f, " {operator} {}", text::quote(text))
    }
}

#[cfg(test)]
mod tests;
