//! The predicates of a pattern.

use std::fmt;

use headgate_types::Version;
use http::HeaderName;

use crate::{
    ParseError,
    facts::{Facts, is_spelling_of},
    reads::{self, Need, Subject},
    text::{self, Piece},
    value::Test,
};

/// A test of a request beside its method, host and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Predicate {
    /// `device=tv|ios`, in alphabetical order.
    Device(Vec<Box<str>>),
    /// `header.x-beta=1`.
    Header(HeaderName, Test),
    /// `query.lang=en`; present or equal.
    Query(Box<str>, Test),
    /// `cookie.arm=b`.
    Cookie(Box<str>, Test),
    /// `claim.tier=gold`.
    Claim(Box<str>, Test),
    /// `ver>=7.2`.
    Version(Bound, Version),
}

/// How the version of the device's app compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bound {
    AtLeast,
    Above,
    AtMost,
    Below,
    Exactly,
}

/// The longer operators first, which begin as the shorter ones.
const BOUNDS: [(&str, Bound); 5] = [
    (">=", Bound::AtLeast),
    (">", Bound::Above),
    ("<=", Bound::AtMost),
    ("<", Bound::Below),
    ("=", Bound::Exactly),
];

impl Bound {
    /// Whether a version lies within.
    pub(crate) fn takes(self, version: Version, limit: Version) -> bool {
        match self {
            Self::AtLeast => version >= limit,
            Self::Above => version > limit,
            Self::AtMost => version <= limit,
            Self::Below => version < limit,
            Self::Exactly => version == limit,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
            Self::Exactly => "=",
        }
    }

    /// The side that it bounds: a pattern has one bound on each.
    const fn side(self) -> &'static str {
        match self {
            Self::AtLeast | Self::Above => "from",
            Self::AtMost | Self::Below => "to",
            Self::Exactly => "is",
        }
    }
}

const SUBJECTS: &str = "device=CLASS, ver>=7.2, header.NAME, query.NAME, cookie.NAME or claim.NAME";
const OPERATORS: &str = "nothing, =value or ~'expression' after the name";
const VALUE: &str = "letters, digits and -._:/+@%*,;!, or any text in single quotes";
/// A class per kind of device that anybody builds.
const DEVICES_MAX: usize = 64;

impl Predicate {
    /// Reads one predicate and returns what follows it.
    pub(crate) fn parse<'a>(piece: &Piece<'a>) -> Result<(Self, Piece<'a>), ParseError> {
        let is_end = |character: char| {
            matches!(character, '=' | '~' | '<' | '>') || character.is_ascii_whitespace()
        };
        let (subject, after) = piece.divide_before(is_end);
        if subject.text == "device" {
            return devices(&subject, &after);
        }
        if subject.text == "ver" {
            return version(&subject, &after);
        }
        let (kind, name) = subject.text.split_once('.').unwrap_or((subject.text, ""));
        if !matches!(kind, "header" | "query" | "cookie" | "claim") {
            return Err(subject.fault("no predicate", SUBJECTS));
        }
        if name.is_empty() {
            return Err(subject.fault(format!("a {kind} without a name"), SUBJECTS));
        }
        let (test, rest) = test(&after)?;
        let predicate = match kind {
            "header" => Self::Header(header(&subject, name)?, test),
            "query" if matches!(test, Test::Matches(_)) => {
                return Err(
                    subject.fault("an expression on a query parameter", "nothing or =value")
                );
            }
            "query" => Self::Query(name.into(), test),
            "claim" => Self::Claim(name.into(), test),
            _ => Self::Cookie(name.into(), test),
        };
        Ok((predicate, rest))
    }

    /// Whether it holds for a request.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Device(classes) => classes.iter().any(|class| class.as_ref() == facts.device),
            Self::Header(name, test) => {
                facts.headers.get(name).is_some_and(|value| test.accepts(value.as_bytes()))
            }
            Self::Query(name, Test::Equals(expected)) => {
                facts.parameter(name).is_some_and(|value| is_spelling_of(value, expected))
            }
            Self::Query(name, test) => {
                facts.parameter(name).is_some_and(|value| test.accepts(value.as_bytes()))
            }
            Self::Cookie(name, test) => facts.cookie(name).is_some_and(|value| test.accepts(value)),
            Self::Claim(name, test) => {
                facts.claim(name).is_some_and(|claim| test.accepts_claim(claim))
            }
            Self::Version(bound, limit) => {
                facts.version.is_some_and(|version| bound.takes(version, *limit))
            }
        }
    }

    /// Whether it reads the caller's claims.
    pub(crate) const fn reads_claims(&self) -> bool {
        matches!(self, Self::Claim(..))
    }

    /// The bound of the app's version, if it is one.
    pub(crate) const fn bound(&self) -> Option<(Bound, Version)> {
        match self {
            Self::Version(bound, limit) => Some((*bound, *limit)),
            _ => None,
        }
    }

    /// The device classes, if it is about them.
    pub(crate) fn devices(&self) -> Option<&[Box<str>]> {
        match self {
            Self::Device(classes) => Some(classes),
            _ => None,
        }
    }

    /// The test of the value, if it has one.
    pub(crate) fn test(&self) -> Option<&Test> {
        match self {
            Self::Device(_) | Self::Version(..) => None,
            Self::Header(_, test)
            | Self::Query(_, test)
            | Self::Cookie(_, test)
            | Self::Claim(_, test) => Some(test),
        }
    }

    /// The part of the request that it reads, how much of it, and the text that it is compared
    /// with. None for the device class and version, which are told by rules.
    pub(crate) fn read(&self) -> Option<(Subject, Need, Option<&str>)> {
        let (subject, test) = match self {
            Self::Device(_) | Self::Version(..) => return None,
            Self::Header(name, test) => (reads::header(name), test),
            Self::Query(name, test) => (Subject::Query(name.clone()), test),
            Self::Cookie(name, test) => (Subject::Cookie(name.clone()), test),
            Self::Claim(name, test) => (Subject::Claim(name.clone()), test),
        };
        let (need, text) = reads::need(test);
        Some((subject, need, text))
    }

    /// What it is about: orders predicates, and two about the same are two values of one.
    pub(crate) fn subject(&self) -> (u8, &str) {
        match self {
            Self::Device(_) => (0, ""),
            Self::Header(name, _) => (1, name.as_str()),
            Self::Query(name, _) => (2, name),
            Self::Cookie(name, _) => (3, name),
            Self::Claim(name, _) => (4, name),
            Self::Version(bound, _) => (5, bound.side()),
        }
    }
}

fn devices<'a>(
    subject: &Piece<'a>,
    after: &Piece<'a>,
) -> Result<(Predicate, Piece<'a>), ParseError> {
    let allowed = "device=CLASS or device=CLASS|CLASS";
    let values =
        after.after("=").ok_or_else(|| subject.fault("device without a class", allowed))?;
    let (values, rest) = values.divide_before(|character| character.is_ascii_whitespace());
    let mut classes: Vec<Box<str>> = Vec::new();
    for class in values.split('|') {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if class.text.is_empty() || !class.text.bytes().all(is_name) {
            return Err(class.fault("no device class", allowed));
        }
        if classes.iter().any(|one| one.as_ref() == class.text) {
            return Err(class.fault("a class is named twice", "each class once"));
        }
        classes.push(class.text.into());
    }
    if classes.len() > DEVICES_MAX {
        return Err(values.fault("too many classes", format!("at most {DEVICES_MAX}")));
    }
    classes.sort();
    Ok((Predicate::Device(classes), rest))
}

fn version<'a>(
    subject: &Piece<'a>,
    after: &Piece<'a>,
) -> Result<(Predicate, Piece<'a>), ParseError> {
    let allowed = "ver>=7.2, or with >, <=, < or =";
    let read = |(operator, bound): (&str, Bound)| Some((bound, after.after(operator)?));
    let (bound, rest) = BOUNDS
        .into_iter()
        .find_map(read)
        .ok_or_else(|| subject.fault("ver without a version", allowed))?;
    let (limit, rest) = rest.divide_before(|character| character.is_ascii_whitespace());
    let parsed = Version::parse(limit.text)
        .ok_or_else(|| limit.fault("no version", "up to four numbers with dots between them"))?;
    Ok((Predicate::Version(bound, parsed), rest))
}

fn header(subject: &Piece<'_>, name: &str) -> Result<HeaderName, ParseError> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| subject.fault("no header name", "a header's name after header."))?;
    if name == http::header::HOST {
        return Err(subject.fault("the host as a header", "the host before the path"));
    }
    Ok(name)
}

/// Reads what follows a name.
fn test<'a>(piece: &Piece<'a>) -> Result<(Test, Piece<'a>), ParseError> {
    if let Some(value) = piece.after("=") {
        if value.text.starts_with('\'') {
            let quoted = text::quoted(&value)?;
            return Ok((Test::equals(&quoted.piece, &quoted.text)?, quoted.rest));
        }
        let (value, rest) = value.divide_before(|character| character.is_ascii_whitespace());
        if !is_bare(value.text) {
            return Err(value.fault("no value", VALUE));
        }
        return Ok((Test::equals(&value, value.text)?, rest));
    }
    if let Some(value) = piece.after("~") {
        let quoted = text::quoted(&value)?;
        return Ok((Test::matches(&quoted.piece, &quoted.text)?, quoted.rest));
    }
    let (junk, _) = piece.divide_before(|character| character.is_ascii_whitespace());
    if junk.text.is_empty() {
        Ok((Test::Present, *piece))
    } else {
        Err(junk.fault("no test", OPERATORS))
    }
}

/// Whether a value needs no quotes.
fn is_bare(value: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/+@%*,;!".contains(&byte);
    !value.is_empty() && value.bytes().all(is_plain)
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(classes) => write!(f, "device={}", classes.join("|")),
            Self::Header(name, test) => write!(f, "header.{name}{}", Operand(test)),
            Self::Query(name, test) => write!(f, "query.{name}{}", Operand(test)),
            Self::Cookie(name, test) => write!(f, "cookie.{name}{}", Operand(test)),
            Self::Claim(name, test) => write!(f, "claim.{name}{}", Operand(test)),
            Self::Version(bound, limit) => write!(f, "ver{}{limit}", bound.as_str()),
        }
    }
}

/// A test as predicates write it.
struct Operand<'a>(&'a Test);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Test::Present => Ok(()),
            Test::Equals(value) if is_bare(value) => write!(f, "={value}"),
            Test::Equals(value) | Test::Contains(value) => write!(f, "={}", text::quote(value)),
            Test::Matches(expression) => write!(f, "~{}", text::quote(expression.text())),
        }
    }
}
