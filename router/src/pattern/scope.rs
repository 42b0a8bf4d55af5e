//! What a claim takes in: hosts, and everything below a point in their paths.

use std::{borrow::Cow, fmt};

use super::{Host, Pattern, Segment};
use crate::path;

/// A host, the hosts below a domain, or all hosts, with the start of a path.
///
/// The start counts in whole segments: `/tv/` takes what lies below, `/tv` takes `/tv` itself as
/// well, and neither takes `/tvs`. Two scopes hold one another, or they have nothing in common, in
/// their hosts and in their paths; so what two have in common is a scope again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    host: Host,
    prefix: String,
}

impl Scope {
    /// Reads a host (`*` for any, exact, or `*.example.com`) and the start of a path; none when one
    /// of them is not valid.
    pub fn new(host: &str, prefix: &str) -> Option<Self> {
        let host = if host == "*" { Host::Any } else { Host::parse_claim(host)? };
        Some(Self { host, prefix: path::normalize(prefix).ok()?.into_owned() })
    }

    /// The smallest scope that holds whatever a pattern matches.
    pub fn of(pattern: &Pattern) -> Self {
        Self { host: pattern.host.clone(), prefix: pattern.prefix_literal.clone() }
    }

    /// The host as claims write it, in lowercase.
    pub fn host(&self) -> String {
        if self.host == Host::Any { "*".to_owned() } else { self.host.to_string() }
    }

    /// The start of the path.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether all that `inner` takes is taken by this one.
    pub fn holds(&self, inner: &Self) -> bool {
        self.host.holds(&inner.host) && is_above(&self.prefix, &inner.prefix)
    }

    /// What both take; none when they have nothing in common.
    pub fn common(&self, other: &Self) -> Option<Self> {
        let host = narrower(&self.host, &other.host, Host::holds)?;
        let prefix = narrower(&self.prefix, &other.prefix, |outer, inner| is_above(outer, inner))?;
        Some(Self { host: host.clone(), prefix: prefix.clone() })
    }

    /// Whether a pattern matches any request in here, its methods and predicates aside.
    pub fn meets(&self, pattern: &Pattern) -> bool {
        (self.host.holds(&pattern.host) || pattern.host.holds(&self.host))
            && reaches(&pattern.segments, &self.prefix)
    }

    /// The hosts of all scopes that could hold this one, its own first, as [`Self::host`] writes
    /// them.
    pub fn hosts_above(&self) -> Vec<String> {
        let own = self.host();
        let suffixes = own.match_indices('.').filter_map(|(dot, _)| own.get(dot..));
        let mut hosts: Vec<String> =
            [own.clone()].into_iter().chain(suffixes.map(|suffix| format!("*{suffix}"))).collect();
        hosts.push("*".to_owned());
        hosts.dedup();
        hosts
    }

    /// The starts of paths of all scopes that could hold this one, but its own.
    pub fn prefixes_above(&self) -> impl Iterator<Item = &str> {
        let slashes = self.prefix.match_indices('/').map(|(slash, _)| slash);
        let both = slashes.flat_map(|slash| [self.prefix.get(..slash), self.prefix.get(..=slash)]);
        both.flatten().filter(|above| !above.is_empty() && *above != self.prefix)
    }
}

/// The one that the other holds; none when neither holds the other.
fn narrower<'a, T>(one: &'a T, other: &'a T, holds: impl Fn(&T, &T) -> bool) -> Option<&'a T> {
    if holds(one, other) {
        Some(other)
    } else if holds(other, one) {
        Some(one)
    } else {
        None
    }
}

/// Whether one start of a path is that of the other, in whole segments.
fn is_above(outer: &str, inner: &str) -> bool {
    match inner.strip_prefix(outer) {
        Some(rest) => outer.ends_with('/') || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// Whether segments take any path that begins so.
fn reaches(segments: &[Segment], prefix: &str) -> bool {
    let Some(inside) = prefix.strip_prefix('/') else { return false };
    let (parts, is_open) = match inside.strip_suffix('/') {
        _ if inside.is_empty() => (None, true),
        Some(inside) => (Some(inside), true),
        None => (Some(inside), false),
    };
    let mut segments = segments.iter();
    for part in parts.into_iter().flat_map(|parts| parts.split('/')) {
        match segments.next() {
            Some(Segment::Literal(literal)) if literal.as_ref() == part => {}
            Some(Segment::Parameter(_)) => {}
            Some(Segment::Rest(_)) => return true,
            Some(Segment::Literal(_)) | None => return false,
        }
    }
    // Behind a slash at the end something must follow, if only nothing: `/tv/` takes no `/tv`.
    !is_open || segments.next().is_some()
}

/// `/prefix on host`, or `on any host`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.host {
            Host::Any => Cow::Borrowed("any host"),
            _ => Cow::Owned(self.host.to_string()),
        };
        write!(f, "{} on {host}", self.prefix)
    }
}

#[cfg(test)]
mod tests;
