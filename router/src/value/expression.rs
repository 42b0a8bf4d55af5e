//! Regular expressions with bounds on what they may cost.

use std::ops::Range;

use headgate_types::Version;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::{
    Parser, ParserBuilder,
    hir::{Class, Hir, HirKind},
};

use crate::{ParseError, text::Piece};

/// A regular expression over bytes, found anywhere in the value unless anchored.
///
/// It runs in time linear in the value, which the head's own limit bounds. Classes are ASCII.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    text: Box<str>,
    regex: Regex,
    /// The group that finds the version of an app.
    version: Option<usize>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

/// Compiled size: the crate's own limit of 10 MiB is for one expression in a program, not for one
/// in each of thousands of routes.
const COMPILED_BYTES_MAX: usize = 256 << 10;
/// Cache of the lazy automaton; beyond it matching goes on without, slower but still linear.
const CACHE_BYTES_MAX: usize = 256 << 10;
/// Groups in groups. The text's length bounds it as well, but a parser's stack is not ours to use.
const NESTING_MAX: u32 = 32;
/// The name of the group that finds the version of an app.
const VERSION: &str = "ver";
/// The longest value that [`Expression::sample`] builds.
const SAMPLE_BYTES_MAX: usize = 4096;

impl Expression {
    /// Compiles an expression that was written at a place.
    pub(crate) fn parse(at: &Piece<'_>, text: Box<str>) -> Result<Self, ParseError> {
        if let Err(error) = parser().parse(&text) {
            let (what, span) = match &error {
                regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span()),
                regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span()),
                _ => return Err(at.fault("no regular expression", ALLOWED)),
            };
            let place = place(at, &text, span.start.offset..span.end.offset);
            return Err(ParseError::new(place, what, ALLOWED));
        }
        let regex = RegexBuilder::new(&text)
            .unicode(false)
            .nest_limit(NESTING_MAX)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(CACHE_BYTES_MAX)
            .build()
            .map_err(|_| at.fault("the regular expression is too large when compiled", ALLOWED))?;
        let version = regex.capture_names().position(|name| name == Some(VERSION));
        Ok(Self { text, regex, version })
    }

    /// The expression as it was meant.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it finds anything in a value.
    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    /// Whether it has a group that finds the version of an app.
    pub(crate) const fn finds_version(&self) -> bool {
        self.version.is_some()
    }

    /// The version of an app that its group `ver` finds at the start of what it takes.
    pub(crate) fn version(&self, value: &[u8]) -> Option<Version> {
        let found = self.regex.captures(value)?.get(self.version?)?;
        Version::leading(found.as_bytes()).map(|(version, _)| version)
    }

    /// A printable value that it matches, or none when a simple walk builds none.
    pub(crate) fn sample(&self) -> Option<String> {
        let mut sample = Vec::new();
        build(&parser().parse(&self.text).ok()?, &mut sample)?;
        let is_printable = sample.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let sample = String::from_utf8(sample).ok()?;
        (is_printable && sample.trim() == sample && self.is_match(sample.as_bytes()))
            .then_some(sample)
    }
}

const ALLOWED: &str =
    "a regular expression as of Rust's regex crate, over bytes, with ASCII classes";

fn parser() -> Parser {
    ParserBuilder::new().unicode(false).utf8(false).nest_limit(NESTING_MAX).build()
}

/// Where a part of the expression stands in the text around it. A doubled quote shifts what
/// follows it, so then the whole expression is pointed at.
fn place(at: &Piece<'_>, text: &str, part: Range<usize>) -> Range<usize> {
    let span = at.span();
    let quotes = span.len().saturating_sub(text.len()) / 2;
    let is_verbatim = at.text.get(quotes..quotes + text.len()) == Some(text);
    if is_verbatim && text.is_char_boundary(part.start) && text.is_char_boundary(part.end) {
        let start = span.start + quotes;
        start + part.start..start + part.end
    } else {
        span
    }
}

/// Appends the simplest value of an expression: fewest repetitions, first alternative that works.
fn build(hir: &Hir, sample: &mut Vec<u8>) -> Option<()> {
    if sample.len() > SAMPLE_BYTES_MAX {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => sample.extend_from_slice(&literal.0),
        HirKind::Class(class) => sample.push(printable(class)?),
        HirKind::Repetition(repetition) => {
            for _ in 0..repetition.min {
                build(&repetition.sub, sample)?;
            }
        }
        HirKind::Capture(capture) => build(&capture.sub, sample)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| build(part, sample))?,
        HirKind::Alternation(parts) => {
            let at = sample.len();
            parts.iter().find_map(|part| {
                sample.truncate(at);
                build(part, sample)
            })?;
        }
    }
    Some(())
}

/// A printable character of a class, a letter or digit where there is one.
fn printable(class: &Class) -> Option<u8> {
    let has = |byte: u8| match class {
        Class::Bytes(class) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte))
        }
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .any(|range| (range.start()..=range.end()).contains(&char::from(byte))),
    };
    let preferred = (b'a'..=b'z').chain(b'A'..=b'Z').chain(b'0'..=b'9');
    preferred.chain(b'!'..=b'~').chain([b' ']).find(|byte| has(*byte))
}
