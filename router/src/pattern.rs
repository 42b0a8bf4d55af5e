//! What a route matches, as one line of text.
//!
//! ```text
//! METHOD [host]/path [predicates]
//! GET /tv/home/{profile} device=tv|ios
//! GET|POST api.example.com/tv/{*rest} header.x-beta query.lang=en
//! * *.example.com/tv/ header.x-app~'^tv/7' cookie.arm='b c'
//! ```
//!
//! **Method**: one or several joined by `|`, or `*` for all. `GET` also takes HEAD (RFC 9110,
//! 9.1 demands both of a general-purpose server); a pattern that names HEAD itself goes before it.
//!
//! **Host**: exact; or `*.example.com`, any number of labels in front but not none; or absent,
//! which takes every host. Ports are not looked at.
//!
//! **Path**: segments between slashes. A literal matches itself after [`crate::path::normalize`],
//! with or without parameters (`/tv;x=1`).
//! `{name}` matches one segment that is not empty. `{*name}`, only at the end, matches whatever
//! follows its slash, also nothing: `/tv/{*rest}` takes `/tv/`, `/tv/a` and `/tv/a/b/`, not `/tv`.
//! A trailing slash counts: `/tv` and `/tv/` are two paths.
//!
//! **Predicates**, all of which must hold, each name at most once:
//!
//! | predicate | holds when |
//! | --- | --- |
//! | `device=tv` or `device=tv\|ios` | the device class is one of these |
//! | `header.NAME` | the header is there |
//! | `header.NAME=value` | its first line has exactly this value |
//! | `header.NAME~'expression'` | its first line matches, anywhere unless anchored |
//! | `cookie.NAME`, `=`, `~` | the same for the first cookie of that name |
//! | `query.NAME`, `=` | the same for the first query parameter, its escapes decoded |
//! | `claim.NAME`, `=`, `~` | the same for a claim of the verified caller; of a list any element |
//! | `ver>=7.2`, `>`, `<=`, `<`, `=` | the device's app has such a version |
//!
//! Values with other characters than letters, digits and `-._:/+@%*,;!` stand in single quotes.

use std::{fmt, str::FromStr};

use http::Method;

use crate::{ParseError, facts::Facts};

mod cover;
mod host;
mod methods;
mod parse;
mod predicate;
mod scope;
mod segment;

pub(crate) use host::{Host, without_root};
pub(crate) use methods::Methods;
pub(crate) use predicate::{Bound, Predicate};
pub use scope::Scope;
pub(crate) use segment::Segment;

/// Text that is no pattern: where, what, and what is allowed there.
pub type ParsePatternError = ParseError;

/// What a route matches: `METHOD [host]/path [predicates]`, as the module describes.
///
/// Its text form is canonical: two patterns are equal when they are written alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub(crate) methods: Methods,
    pub(crate) host: Host,
    pub(crate) segments: Vec<Segment>,
    pub(crate) predicates: Vec<Predicate>,
    /// The normalized path up to its first parameter.
    prefix_literal: String,
}

impl Pattern {
    /// The path up to its first parameter, the slash before that included; the whole path when it
    /// has none. Every path that matches starts with it, parameters of segments (`;x`) aside.
    pub fn prefix_literal(&self) -> &str {
        &self.prefix_literal
    }

    /// The host as it was written; none takes every host.
    pub fn host(&self) -> Option<String> {
        (self.host != Host::Any).then(|| self.host.to_string())
    }

    /// The device classes that it names; empty when it takes all.
    pub fn devices(&self) -> &[Box<str>] {
        self.predicates.iter().find_map(Predicate::devices).unwrap_or_default()
    }

    /// The segments of its path that match themselves.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(literal) => Some(literal.as_ref()),
            Segment::Parameter(_) | Segment::Rest(_) => None,
        })
    }

    /// The position of the segment that a parameter takes, counted from 0. None where no parameter
    /// of one segment has that name.
    pub fn position(&self, parameter: &str) -> Option<usize> {
        self.segments.iter().position(
            |segment| matches!(segment, Segment::Parameter(name) if name.as_ref() == parameter),
        )
    }

    /// The tests of headers, as they are written, such as `header.x-beta=1`.
    pub fn header_predicates(&self) -> impl Iterator<Item = String> {
        let is_header = |predicate: &&Predicate| matches!(predicate, Predicate::Header(..));
        self.predicates.iter().filter(is_header).map(ToString::to_string)
    }

    /// Whether a predicate reads the caller's claims.
    pub fn reads_claims(&self) -> bool {
        self.predicates.iter().any(Predicate::reads_claims)
    }

    /// Whether a predicate compares the version of the device's app.
    pub fn compares_versions(&self) -> bool {
        self.predicates.iter().any(|predicate| predicate.bound().is_some())
    }

    /// Whether it takes a method.
    pub fn takes_method(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    /// Whether whatever this matches lies within a claim.
    ///
    /// The claim's host is `*` for any, exact, or `*.example.com`. Its prefix counts in whole
    /// segments: `/tv/` takes what lies below, `/tv` takes `/tv` itself as well, and neither takes
    /// `/tvs`. A claim that is itself no valid host or path holds nothing.
    pub fn within(&self, host: &str, prefix: &str) -> bool {
        Scope::new(host, prefix).is_some_and(|claim| claim.holds(&Scope::of(self)))
    }

    /// Whether its path takes a normalized path.
    pub fn takes_path(&self, path: &str) -> bool {
        path.strip_prefix('/').is_some_and(|path| segment::take(&self.segments, path))
    }

    /// The first predicate that does not hold.
    pub(crate) fn failing(&self, facts: &Facts<'_>) -> Option<&Predicate> {
        self.predicates.iter().find(|predicate| !predicate.holds(facts))
    }

    /// Whether it matches a request, decided by itself alone.
    ///
    /// The slow way, against which a table's way is tested; the edge's own paths aside, a
    /// [`crate::table::Table`] finds a route only where this holds.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.methods.contains(facts.method)
            && self.host.takes(without_root(facts.host))
            && self.takes_path(facts.path)
            && self.failing(facts).is_none()
    }
}

impl FromStr for Pattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::pattern(text)
    }
}

/// The canonical text, which parses to an equal pattern.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.methods, self.host)?;
        self.segments.iter().try_for_each(|segment| write!(f, "/{segment}"))?;
        self.predicates.iter().try_for_each(|predicate| write!(f, " {predicate}"))
    }
}

#[cfg(test)]
mod tests;
