//! Pairs of routes that one request can match and nothing chooses between.

use std::fmt;

use headgate_types::Version;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::COOKIE};
use serde_json::{Map, Value};

use super::{Route, order};
use crate::{
    facts::Facts,
    pattern::{Pattern, Predicate, Segment},
    value::Test,
};

/// Two routes that one request can match and nothing chooses between.
#[derive(Clone, Debug)]
pub struct Tie {
    /// The one route, with the lower number.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// A request that matches both.
    pub witness: Witness,
}

/// A request that proves a tie.
#[derive(Clone, Debug)]
pub struct Witness {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    device: String,
    claims: Map<String, Value>,
    version: Option<Version>,
}

impl Witness {
    /// The request as a decision reads it.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            claims: (!self.claims.is_empty()).then_some(&self.claims),
            device: &self.device,
            version: self.version,
        }
    }

    /// Predicates first: they part most pairs, and without a word being allocated.
    fn of(one: &Pattern, other: &Pattern) -> Option<Self> {
        let mut witness = Self {
            method: one.methods.common(&other.methods)?,
            host: String::new(),
            path: String::new(),
            query: None,
            headers: HeaderMap::new(),
            device: String::new(),
            claims: Map::new(),
            version: common_version(one, other),
        };
        for predicate in one.predicates.iter().chain(&other.predicates) {
            let partner = partner(predicate, one).or_else(|| partner(predicate, other));
            witness.satisfy(predicate, partner.unwrap_or(predicate))?;
        }
        witness.host = one.host.sample();
        witness.path = sample_path(&one.segments);
        let proves = one.matches(&witness.facts()) && other.matches(&witness.facts());
        proves.then_some(witness)
    }

    /// Makes two predicates on the same name hold.
    fn satisfy(&mut self, one: &Predicate, other: &Predicate) -> Option<()> {
        if let (Some(one), Some(other)) = (one.devices(), other.devices()) {
            let common = one.iter().find(|class| other.contains(class))?;
            common.as_ref().clone_into(&mut self.device);
            return Some(());
        }
        if one.bound().is_some() {
            return Some(());
        }
        let value = common_value(one.test()?, other.test()?)?;
        let value_of = |text: &str| HeaderValue::from_str(text).ok();
        match one {
            Predicate::Device(_) | Predicate::Version(..) => {}
            Predicate::Claim(name, _) => {
                self.claims.insert(name.as_ref().to_owned(), Value::from(value));
            }
            Predicate::Header(name, _) => {
                self.headers.insert(name.clone(), value_of(&value)?);
            }
            Predicate::Query(name, _) => {
                let pair = format!("{}={}", escaped(name), escaped(&value));
                self.query = Some(self.query.take().map_or(pair.clone(), |all| all + "&" + &pair));
            }
            Predicate::Cookie(name, _) => {
                self.headers.append(COOKIE, value_of(&format!("{name}={value}"))?);
            }
        }
        Some(())
    }
}

/// The predicate of a pattern on the same name, unless it is the very same one.
fn partner<'a>(predicate: &Predicate, pattern: &'a Pattern) -> Option<&'a Predicate> {
    pattern.predicates.iter().find(|one| one.subject() == predicate.subject() && *one != predicate)
}

/// A value that passes both tests. Two different expressions have none: they never tie.
fn common_value(one: &Test, other: &Test) -> Option<String> {
    match (one, other) {
        (Test::Equals(value), test) | (test, Test::Equals(value)) => {
            test.accepts(value.as_bytes()).then(|| value.as_ref().to_owned())
        }
        (Test::Matches(one), Test::Matches(other)) if one != other => None,
        (Test::Matches(expression), _) | (_, Test::Matches(expression)) => expression.sample(),
        (Test::Contains(part), _) | (_, Test::Contains(part)) => Some(part.as_ref().to_owned()),
        (Test::Present, Test::Present) => Some("x".to_owned()),
    }
}

/// A version that both patterns take, as far as they bound it: one of the limits, or the next one
/// to it. None where there is none, and where neither bounds it.
fn common_version(one: &Pattern, other: &Pattern) -> Option<Version> {
    let bounds = || one.predicates.iter().chain(&other.predicates).filter_map(Predicate::bound);
    let near = |(_, limit): (_, Version)| [Some(limit), limit.next(), Some(Version::default())];
    let takes_all = |version: &Version| bounds().all(|(bound, limit)| bound.takes(*version, limit));
    bounds().flat_map(near).flatten().find(takes_all)
}

fn sample_path(segments: &[Segment]) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Literal(literal) => format!("/{literal}"),
        Segment::Parameter(_) | Segment::Rest(_) => "/x".to_owned(),
    };
    segments.iter().map(part).collect()
}

fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// All ties among routes in their order.
///
/// Only neighbours that are equal in everything that chooses can tie, and among those the ones
/// with the same path: a group is as large as the number of routes on one path with the same
/// number of methods and predicates.
pub(super) fn all(routes: &[Route]) -> Vec<Tie> {
    let is_same_group = |one: &Route, other: &Route| one.specificity == other.specificity;
    let mut ties: Vec<Tie> = routes.chunk_by(is_same_group).flat_map(in_group).collect();
    ties.sort_by_key(|tie| (tie.first, tie.second));
    ties
}

fn in_group(group: &[Route]) -> Vec<Tie> {
    if group.len() < 2 {
        return Vec::new();
    }
    let path =
        |route: &Route| (route.pattern.host.to_string(), sample_path(&route.pattern.segments));
    let mut by_path: Vec<_> = group.iter().map(|route| (path(route), route)).collect();
    by_path.sort_by(|(one, _), (other, _)| one.cmp(other));
    by_path
        .chunk_by(|(one, _), (other, _)| one == other)
        .filter(|on_one| on_one.len() > 1)
        .flat_map(|on_one| on_path(&on_one.iter().map(|(_, route)| *route).collect::<Vec<_>>()))
        .collect()
}

fn on_path(routes: &[&Route]) -> Vec<Tie> {
    let others = |at: usize| routes.get(at + 1..).unwrap_or_default();
    let pairs = routes
        .iter()
        .enumerate()
        .flat_map(|(at, one)| others(at).iter().map(move |other| (*one, *other)));
    let tie = |(one, other): (&Route, &Route)| {
        if order::is_chosen_by_devices(&one.pattern, &other.pattern)
            || order::is_chosen_by_versions(&one.pattern, &other.pattern)
        {
            return None;
        }
        let witness = Witness::of(&one.pattern, &other.pattern)?;
        let (first, second) = (one.id.min(other.id), one.id.max(other.id));
        Some(Tie { first, second, witness })
    };
    pairs.filter_map(tie).collect()
}

/// The request in the words of patterns, with its values.
impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.host, self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        if !self.device.is_empty() {
            write!(f, " from device {}", self.device)?;
        }
        if let Some(version) = self.version {
            write!(f, " of version {version}")?;
        }
        for (name, value) in &self.claims {
            write!(f, " with claim {name}: {value}")?;
        }
        let mut headers = self.headers.iter();
        headers.try_for_each(|(name, value): (&HeaderName, &HeaderValue)| {
            write!(f, " with {name}: {}", String::from_utf8_lossy(value.as_bytes()))
        })
    }
}
