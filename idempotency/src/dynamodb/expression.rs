//! Conditions as expressions: every name and every value is a placeholder.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use headgate_store::{Compare, Condition};

use super::layout::{self, EXPIRES, PARTITION_KEY, VERSION};

/// The names and values of one action's expressions. A name gets one placeholder however often it
/// occurs.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: Vec<String>,
    values: Vec<AttributeValue>,
}

impl Placeholders {
    /// What stands for an attribute's name.
    pub(super) fn name(&mut self, name: &str) -> String {
        let known = self.names.iter().position(|known| known == name);
        let at = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        format!("#{at}")
    }

    /// What stands for a value.
    pub(super) fn value(&mut self, value: AttributeValue) -> String {
        self.values.push(value);
        format!(":{}", self.values.len() - 1)
    }

    /// All names. None for no name: an empty map is not allowed.
    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        let names = self.names.iter().zip(0..).map(|(name, at)| (format!("#{at}"), name.clone()));
        Some(names.collect()).filter(|_| !self.names.is_empty())
    }

    /// All values. None for no value.
    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        let values = self.values.iter().zip(0..);
        let values = values.map(|(value, at)| (format!(":{at}"), value.clone()));
        Some(values.collect()).filter(|_| !self.values.is_empty())
    }
}

/// A condition on the way to its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clause {
    /// Holds always.
    True,
    /// Holds never.
    False,
    /// One test.
    Test(String),
    /// Two or more, joined.
    Joined(Joint, String),
}

/// What joins clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    And,
    Or,
}

impl Clause {
    /// Joins clauses. Parentheses stand only where they are needed: DynamoDB refuses others.
    pub(super) fn join(joint: Joint, clauses: impl IntoIterator<Item = Self>) -> Self {
        let (neutral, decided, word) = match joint {
            Joint::And => (Self::True, Self::False, " AND "),
            Joint::Or => (Self::False, Self::True, " OR "),
        };
        let mut kept = Vec::new();
        for clause in clauses {
            if clause == decided {
                return decided;
            }
            if clause != neutral {
                kept.push(clause);
            }
        }
        match kept.len() {
            0 => return neutral,
            1 => return kept.pop().unwrap_or(neutral),
            _ => {}
        }
        let texts = kept.into_iter().map(|clause| match clause {
            Self::Joined(inner, text) if inner != joint => format!("({text})"),
            Self::Joined(_, text) | Self::Test(text) => text,
            Self::True | Self::False => String::new(),
        });
        Self::Joined(joint, texts.collect::<Vec<_>>().join(word))
    }

    /// The expression. None: it holds always, and nothing need be asked.
    pub(super) fn text(self, places: &mut Placeholders) -> Option<String> {
        match self {
            Self::True => None,
            Self::False => {
                let key = places.name(PARTITION_KEY);
                Some(format!("attribute_exists({key}) AND attribute_not_exists({key})"))
            }
            Self::Test(text) | Self::Joined(_, text) => Some(text),
        }
    }
}

/// A condition on an item, with the meaning of [`Condition::holds`].
pub(super) fn clause(condition: &Condition, places: &mut Placeholders) -> Clause {
    match condition {
        Condition::Always => Clause::True,
        Condition::Absent => absent(places, PARTITION_KEY),
        Condition::Present => present(places, PARTITION_KEY),
        Condition::VersionIs(version) => compare(places, VERSION, "=", layout::number(*version)),
        Condition::Attribute { name, compare: how, value } => {
            let (column, value) = (layout::attribute(name), layout::scalar(value));
            match how {
                Compare::Equal => compare(places, &column, "=", value),
                Compare::Less => compare(places, &column, "<", value),
                Compare::Greater => compare(places, &column, ">", value),
                // An attribute that is not there is unequal to everything, and not what is meant.
                Compare::NotEqual => {
                    let is_there = present(places, &column);
                    let differs = compare(places, &column, "<>", value);
                    Clause::join(Joint::And, [is_there, differs])
                }
            }
        }
        Condition::NoAttribute(name) => {
            let item = present(places, PARTITION_KEY);
            let attribute = absent(places, &layout::attribute(name));
            Clause::join(Joint::And, [item, attribute])
        }
        Condition::ExpiredBy(now) => {
            compare(places, EXPIRES, "<", layout::number(layout::millis(*now)))
        }
        Condition::All(conditions) => {
            let clauses: Vec<_> = conditions.iter().map(|it| clause(it, places)).collect();
            Clause::join(Joint::And, clauses)
        }
        Condition::Any(conditions) => {
            let clauses: Vec<_> = conditions.iter().map(|it| clause(it, places)).collect();
            Clause::join(Joint::Or, clauses)
        }
    }
}

/// The row is not the one that this very commit has written: so an attempt that arrives after
/// another one changes nothing.
pub(super) fn unwritten(version: u64, places: &mut Placeholders) -> Clause {
    let missing = absent(places, VERSION);
    let other = compare(places, VERSION, "<>", layout::number(version));
    Clause::join(Joint::Or, [missing, other])
}

pub(super) fn absent(places: &mut Placeholders, column: &str) -> Clause {
    Clause::Test(format!("attribute_not_exists({})", places.name(column)))
}

pub(super) fn present(places: &mut Placeholders, column: &str) -> Clause {
    Clause::Test(format!("attribute_exists({})", places.name(column)))
}

pub(super) fn compare(
    places: &mut Placeholders,
    column: &str,
    how: &str,
    value: AttributeValue,
) -> Clause {
    Clause::Test(format!("{} {how} {}", places.name(column), places.value(value)))
}
