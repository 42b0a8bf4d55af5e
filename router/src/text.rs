//! Reads the small languages of patterns and conditions piece by piece, knowing where each was.

use std::{borrow::Cow, ops::Range};

use crate::ParseError;

/// A part of a text with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    at: usize,
}

impl<'a> Piece<'a> {
    /// The whole text.
    pub(crate) const fn whole(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Its bytes in the whole text.
    pub(crate) const fn span(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// A fault at this piece.
    pub(crate) fn fault(
        &self,
        what: impl Into<Cow<'static, str>>,
        allowed: impl Into<Cow<'static, str>>,
    ) -> ParseError {
        ParseError::new(self.span(), what, allowed)
    }

    /// Divides after that many bytes; at the end when that is no character boundary.
    pub(crate) fn divide(&self, bytes: usize) -> (Self, Self) {
        let (before, after) = self.text.split_at_checked(bytes).unwrap_or((self.text, ""));
        let after = Self { text: after, at: self.at + before.len() };
        (Self { text: before, at: self.at }, after)
    }

    /// Divides before the first character that satisfies, or at the end.
    pub(crate) fn divide_before(&self, is_end: impl Fn(char) -> bool) -> (Self, Self) {
        self.divide(self.text.find(is_end).unwrap_or(self.text.len()))
    }

    /// The rest after a prefix.
    pub(crate) fn after(&self, prefix: &str) -> Option<Self> {
        let text = self.text.strip_prefix(prefix)?;
        Some(Self { text, at: self.at + prefix.len() })
    }

    /// What is left without leading white space.
    pub(crate) fn trimmed(&self) -> Self {
        self.divide_before(|character| !character.is_ascii_whitespace()).1
    }

    /// The parts between separators, each with its place.
    pub(crate) fn split(self, separator: char) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let (part, after) = rest?.divide_before(|character| character == separator);
            let next = after.text.strip_prefix(separator);
            rest = next.map(|text| Self { text, at: after.at + separator.len_utf8() });
            Some(part)
        })
    }
}

/// Text in single quotes.
#[derive(Debug)]
pub(crate) struct Quoted<'a> {
    /// What was meant.
    pub(crate) text: Cow<'a, str>,
    /// What was written, with its quotes.
    pub(crate) piece: Piece<'a>,
    /// What follows.
    pub(crate) rest: Piece<'a>,
}

/// Reads `'text'` from the start; a quote inside is doubled, as in SQL, so that backslashes of
/// regular expressions mean nothing here.
pub(crate) fn quoted<'a>(from: &Piece<'a>) -> Result<Quoted<'a>, ParseError> {
    let inside = from.after("'").ok_or_else(|| from.fault("no quoted text", QUOTED))?;
    let mut characters = inside.text.char_indices().peekable();
    let mut has_doubled = false;
    while let Some((at, character)) = characters.next() {
        if character != '\'' {
            continue;
        }
        if characters.next_if(|(_, next)| *next == '\'').is_some() {
            has_doubled = true;
            continue;
        }
        let (piece, rest) = from.divide(at + 2);
        let text = inside.divide(at).0.text;
        let text = if has_doubled { text.replace("''", "'").into() } else { text.into() };
        return Ok(Quoted { text, piece, rest });
    }
    Err(from.fault("the quote is not closed", QUOTED))
}

const QUOTED: &str = "text in single quotes, a quote inside it doubled";

/// Writes a text so that [`quoted`] reads it.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
