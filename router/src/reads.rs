//! What the device rules and routes of a configuration read of a request beside its method, host
//! and path, and how much of each value they need: nobody who keeps requests for a replay has to
//! keep more.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::{
    device::{Condition, Rule, UNKNOWN},
    facts::{self, Facts},
    pattern::{Pattern, Predicate},
    value::Test,
};

/// Names that are told apart at most; what a configuration reads beyond them is not known.
pub const SUBJECTS_MAX: usize = 64;
/// Texts that one name is compared with at most; more, and the value itself is needed.
const TEXTS_MAX: usize = 256;

/// A part of a request that a test reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The first line of a header; of `sec-ch-ua` all lines.
    Header(HeaderText),
    /// The first cookie of a name.
    Cookie(Box<str>),
    /// The first query parameter of a name.
    Query(Box<str>),
    /// A claim of the caller's verified token.
    Claim(Box<str>),
}

/// A header's name, ordered as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderText(pub HeaderName);

impl Ord for HeaderText {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl PartialOrd for HeaderText {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// As tests write it: `header x-app`, `cookie arm`, `query lang`, `claim device_type`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {}", name.0),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Query(name) => write!(f, "query {name}"),
            Self::Claim(name) => write!(f, "claim {name}"),
        }
    }
}

/// How much of a value tests need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Whether it is there.
    Presence,
    /// Whether it equals one of the texts that it is compared with.
    Equality,
    /// The value itself.
    Text,
}

/// One part of a request with what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The part.
    pub subject: Subject,
    /// How much of its value is needed.
    pub need: Need,
    /// The texts that it is compared with, in order.
    pub texts: Vec<Box<str>>,
}

/// All that rules and routes read, in the order of the subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads(Vec<Read>);

impl Reads {
    /// Gathers what rules and routes read; at most [`SUBJECTS_MAX`] names, the first in order.
    pub fn of<'a>(
        rules: impl IntoIterator<Item = &'a Rule>,
        patterns: impl IntoIterator<Item = &'a Pattern>,
    ) -> Self {
        let mut all: BTreeMap<Subject, Read> = BTreeMap::new();
        let conditions = rules.into_iter().flat_map(|rule| &rule.when);
        let tests = conditions.filter_map(Condition::subject);
        let predicates = patterns.into_iter().flat_map(|pattern| &pattern.predicates);
        for (subject, need, text) in tests.chain(predicates.filter_map(Predicate::read)) {
            if all.len() >= SUBJECTS_MAX && !all.contains_key(&subject) {
                continue;
            }
            let read = all.entry(subject.clone()).or_insert_with(|| Read {
                subject,
                need: Need::Presence,
                texts: Vec::new(),
            });
            read.need = read.need.max(need);
            if let Some(text) = text
                && let Err(at) = read.texts.binary_search_by(|known| known.as_ref().cmp(text))
            {
                if read.texts.len() < TEXTS_MAX {
                    read.texts.insert(at, text.into());
                } else {
                    read.need = Need::Text;
                }
            }
        }
        Self(all.into_values().collect())
    }

    /// The parts, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Read> {
        self.0.iter()
    }
}

/// How much a test needs of a value, and the text that it compares it with.
pub(crate) fn need(test: &Test) -> (Need, Option<&str>) {
    match test {
        Test::Present => (Need::Presence, None),
        Test::Equals(text) => (Need::Equality, Some(text)),
        Test::Contains(_) | Test::Matches(_) => (Need::Text, None),
    }
}

/// The part of a request that a test of a header reads.
pub(crate) fn header(name: &HeaderName) -> Subject {
    Subject::Header(HeaderText(name.clone()))
}

/// The values of a part of a request, each of which a test may be about: none when it is not
/// there, and several for a claim that is a list. Queries are decoded; a claim is its text, and a number as
/// [`number`] writes it.
pub fn values<'a>(facts: &Facts<'a>, subject: &Subject) -> Vec<Cow<'a, [u8]>> {
    let one = |value: Option<&'a [u8]>| value.map(Cow::Borrowed).into_iter().collect();
    match subject {
        Subject::Header(name) => {
            let mut lines = facts.headers.get_all(&name.0).iter().map(HeaderValue::as_bytes);
            let Some(first) = lines.next() else { return Vec::new() };
            let rest: Vec<_> = lines.filter(|_| name.0 == "sec-ch-ua").collect();
            if rest.is_empty() {
                return one(Some(first));
            }
            vec![Cow::Owned([[first].as_slice(), &rest].concat().join(&b", "[..]))]
        }
        Subject::Cookie(name) => one(facts.cookie(name)),
        Subject::Query(name) => {
            let value = facts.parameter(name);
            value.map(|value| Cow::Owned(facts::decoded(value).collect())).into_iter().collect()
        }
        Subject::Claim(name) => match facts.claims.and_then(|claims| claims.get(name.as_ref())) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(elements)) => {
                elements.iter().filter(|one| !one.is_null()).map(claim_text).collect()
            }
            Some(scalar) => vec![claim_text(scalar)],
        },
    }
}

fn claim_text(value: &Value) -> Cow<'_, [u8]> {
    match value {
        Value::String(text) => Cow::Borrowed(text.as_bytes()),
        Value::Bool(truth) => Cow::Owned(truth.to_string().into_bytes()),
        other => Cow::Owned(unlike_text(other)),
    }
}

/// A number equals texts that spell it in other ways, and no text of its own.
fn unlike_text(value: impl fmt::Display) -> Vec<u8> {
    format!("\0{value}").into_bytes()
}

/// The value, as [`values`] gives it, of a claim that is the whole number which a text spells. None
/// when it spells none.
pub fn number(text: &str) -> Option<Vec<u8>> {
    let signed = text.parse::<i64>().map(unlike_text);
    signed.ok().or_else(|| text.parse::<u64>().map(unlike_text).ok())
}

/// Tells the class as far as it can be told: none when it hangs on a part of the request that is
/// not known. What is known is the same for a [`crate::device::Classifier`] of these rules.
pub fn class_knowing<'r>(
    rules: &'r [Rule],
    facts: &Facts<'_>,
    knows: impl Fn(&Subject, Need) -> bool,
) -> Option<&'r str> {
    for rule in rules {
        for condition in &rule.when {
            match condition.subject() {
                Some((subject, need, _)) if !knows(&subject, need) => return None,
                _ if condition.holds(facts) => return Some(&rule.name),
                _ => {}
            }
        }
    }
    Some(UNKNOWN)
}

/// Tells whether a pattern's predicates hold, as far as it can be told: none when that hangs on a
/// part of the request that is not known.
pub fn predicates_knowing(
    pattern: &Pattern,
    facts: &Facts<'_>,
    knows: impl Fn(&Subject, Need) -> bool,
) -> Option<bool> {
    let mut told = Some(true);
    for predicate in &pattern.predicates {
        match predicate.read() {
            Some((subject, need, _)) if !knows(&subject, need) => told = None,
            _ if !predicate.holds(facts) => return Some(false),
            _ => {}
        }
    }
    told
}

#[cfg(test)]
mod tests;
