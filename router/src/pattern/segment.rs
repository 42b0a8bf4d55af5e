//! The path of a pattern.

use std::fmt;

use crate::{
    ParseError,
    path::{self, PathFault, RESERVED_PREFIX},
    text::Piece,
};

/// A part of a path between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Itself; empty only at the end, for a trailing slash.
    Literal(Box<str>),
    /// `{name}`: any one that is not empty.
    Parameter(Box<str>),
    /// `{*name}`: whatever follows, also nothing.
    Rest(Box<str>),
}

/// Bounds the depth of the search; longer than any hand-written path.
const SEGMENTS_MAX: usize = 32;
const ALLOWED: &str = "literals, {name} for one segment, {*name} at the end for the rest";

/// Reads a path, slash first.
pub(crate) fn parse(piece: &Piece<'_>) -> Result<Vec<Segment>, ParseError> {
    let inside = piece
        .after("/")
        .ok_or_else(|| piece.fault("no path", "a path that starts with a slash"))?;
    let parts: Vec<Piece<'_>> = inside.split('/').collect();
    if parts.len() > SEGMENTS_MAX {
        let allowed = format!("at most {SEGMENTS_MAX} segments");
        return Err(piece.fault("the path is too long", allowed));
    }
    let mut segments: Vec<Segment> = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let segment = read(part, index + 1 == parts.len())?;
        if segment.name().is_some_and(|name| segments.iter().any(|one| one.name() == Some(name))) {
            return Err(part.fault("a parameter is named twice", "each name once"));
        }
        segments.push(segment);
    }
    if path::is_reserved(&prefix_literal(&segments)) {
        let what = format!("{RESERVED_PREFIX} belongs to the edge");
        return Err(piece.fault(what, "any other path"));
    }
    Ok(segments)
}

fn read(part: &Piece<'_>, is_last: bool) -> Result<Segment, ParseError> {
    if let Some(inside) = part.text.strip_prefix('{') {
        let inside = inside.strip_suffix('}').ok_or_else(|| half(part))?;
        let (name, is_rest) = inside.strip_prefix('*').map_or((inside, false), |name| (name, true));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            let allowed = "letters, digits and underscores";
            return Err(part.fault("no name for a parameter", allowed));
        }
        return match (is_rest, is_last) {
            (false, _) => Ok(Segment::Parameter(name.into())),
            (true, true) => Ok(Segment::Rest(name.into())),
            (true, false) => Err(part.fault("the rest before the end", ALLOWED)),
        };
    }
    if part.text.contains(['{', '}']) {
        return Err(half(part));
    }
    if let Some(at) = part.text.find(['?', '#']) {
        let allowed = "the path alone; a query parameter is tested by query.NAME=value";
        return Err(part.divide(at).1.fault("no part of a path", allowed));
    }
    if part.text.contains([',', ';', '=']) || contains_escaped_separator(part.text) {
        let allowed = "a parameter in its place: some origins read its escape alike, some do not";
        return Err(part.fault("a comma, semicolon or equals sign in a literal", allowed));
    }
    if matches!(part.text, "." | "..") || (part.text.is_empty() && !is_last) {
        let allowed = "the path as it is once dots are resolved and slashes merged";
        return Err(part.fault("a segment that no request has", allowed));
    }
    literal(part)
}

fn literal(part: &Piece<'_>) -> Result<Segment, ParseError> {
    const ALLOWED: &str = "a segment of a path, percent-encoded where it must be";
    let unreachable = || part.fault("a segment that no request has", ALLOWED);
    let slashed = format!("/{}", part.text);
    let normal = path::normalize(&slashed).map_err(|fault| match fault {
        PathFault::AboveRoot => unreachable(),
        fault => part.fault(fault.as_str(), ALLOWED),
    })?;
    let literal = normal.strip_prefix('/').unwrap_or_default();
    // An escaped dot segment is resolved away.
    if literal.is_empty() && !part.text.is_empty() {
        return Err(unreachable());
    }
    Ok(Segment::Literal(literal.into()))
}

fn half(part: &Piece<'_>) -> ParseError {
    part.fault("a parameter that is no whole segment", ALLOWED)
}

fn contains_escaped_separator(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    ["%2C", "%3B", "%3D"].iter().any(|escape| upper.contains(escape))
}

/// The path up to its first parameter.
pub(crate) fn prefix_literal(segments: &[Segment]) -> String {
    let mut prefix = String::new();
    for segment in segments {
        prefix.push('/');
        match segment {
            Segment::Literal(literal) => prefix.push_str(literal),
            Segment::Parameter(_) | Segment::Rest(_) => break,
        }
    }
    prefix
}

/// Whether segments take a path without its first slash.
pub(crate) fn take(segments: &[Segment], path: &str) -> bool {
    let mut parts = path.split('/');
    for segment in segments {
        let part = parts.next();
        let is_taken = match segment {
            Segment::Literal(literal) => part.map(path::name_of) == Some(literal.as_ref()),
            Segment::Parameter(_) => part.is_some_and(|part| !part.is_empty()),
            Segment::Rest(_) => return part.is_some(),
        };
        if !is_taken {
            return false;
        }
    }
    parts.next().is_none()
}

impl Segment {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter(name) | Self::Rest(name) => Some(name),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => f.write_str(literal),
            Self::Parameter(name) => write!(f, "{{{name}}}"),
            Self::Rest(name) => write!(f, "{{*{name}}}"),
        }
    }
}
