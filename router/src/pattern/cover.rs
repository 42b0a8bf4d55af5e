//! Whether one pattern takes whatever another does: what a route that is never reached is known by.

use http::Method;

use super::{Methods, Pattern, Predicate, Segment};
use crate::value::Test;

impl Pattern {
    /// The methods that it takes, HEAD beside GET included; none when it takes all.
    pub fn methods(&self) -> Option<Vec<Method>> {
        let Methods::Listed(listed) = &self.methods else { return None };
        let is_implied = self.takes_method(&Method::HEAD) && !listed.contains(&Method::HEAD);
        Some(listed.iter().cloned().chain(is_implied.then_some(Method::HEAD)).collect())
    }

    /// Whether it takes a device class.
    pub fn takes_device(&self, class: &str) -> bool {
        let named = self.devices();
        named.is_empty() || named.iter().any(|one| one.as_ref() == class)
    }

    /// The host and path with parameters unnamed: the same text for two patterns that take the same
    /// hosts and paths.
    pub fn shape(&self) -> String {
        let part = |segment: &Segment| match segment {
            Segment::Literal(literal) => format!("/{literal}"),
            Segment::Parameter(_) => "/{}".to_owned(),
            Segment::Rest(_) => "/{*}".to_owned(),
        };
        let path: String = self.segments.iter().map(part).collect();
        format!("{}{path}", self.host)
    }

    /// Whether each header, cookie and query that `other` asks for is enough for this one.
    ///
    /// False may also mean that it is not known: two different expressions are not compared.
    pub fn asks_no_more_than(&self, other: &Self) -> bool {
        self.predicates.iter().filter(|one| one.devices().is_none()).all(|wanted| {
            let mut given = other.predicates.iter().filter(|one| one.subject() == wanted.subject());
            given.any(|given| implies(given, wanted))
        })
    }
}

/// Whether what passes the one test passes the other, on the same header, cookie or parameter.
fn implies(given: &Predicate, wanted: &Predicate) -> bool {
    if let (Some((given, limit)), Some((wanted, other))) = (given.bound(), wanted.bound()) {
        // A bound implies a wider one; what lies on the limit itself is compared as it is.
        return given == wanted && wanted.takes(limit, other) || (given, limit) == (wanted, other);
    }
    match (given.test(), wanted.test()) {
        (Some(_), Some(Test::Present)) => true,
        (Some(Test::Equals(value)), Some(Test::Matches(expression))) => {
            expression.is_match(value.as_bytes())
        }
        (Some(given), Some(wanted)) => given == wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
