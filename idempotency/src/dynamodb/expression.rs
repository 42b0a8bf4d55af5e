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

/// A condition in DynamoDB's terms. It becomes text last: a placeholder that no text uses is
/// refused, and parts that decide nothing are gone by then.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Clause {
    /// Holds always.
    True,
    /// Holds never.
    False,
    /// The row has the column.
    Present(String),
    /// There is no row, or it lacks the column.
    Absent(String),
    /// The row has the column, and its value stands so to another one.
    Compare(String, &'static str, AttributeValue),
    /// Two clauses or more, of which none is joined alike.
    Joined(Joint, Vec<Self>),
}

/// What joins clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    And,
    Or,
}

impl Clause {
    /// All hold. Of none: holds.
    pub(super) fn all(clauses: impl IntoIterator<Item = Self>) -> Self {
        Self::join(Joint::And, clauses)
    }

    /// One holds at least. Of none: does not hold.
    pub(super) fn any(clauses: impl IntoIterator<Item = Self>) -> Self {
        Self::join(Joint::Or, clauses)
    }

    fn join(joint: Joint, clauses: impl IntoIterator<Item = Self>) -> Self {
        let (neutral, decided) = match joint {
            Joint::And => (Self::True, Self::False),
            Joint::Or => (Self::False, Self::True),
        };
        let mut kept = Vec::new();
        for clause in clauses {
            match clause {
                clause if clause == decided => return decided,
                clause if clause == neutral => {}
                Self::Joined(inner, clauses) if inner == joint => kept.extend(clauses),
                clause => kept.push(clause),
            }
        }
        match kept.len() {
            0 => neutral,
            1 => kept.pop().unwrap_or(neutral),
            _ => Self::Joined(joint, kept),
        }
    }

    /// The expression. None: it holds always, and nothing need be asked.
    pub(super) fn text(&self, places: &mut Placeholders) -> Option<String> {
        match self {
            Self::True => None,
            Self::False => Some(never().write(places)),
            clause => Some(clause.write(places)),
        }
    }

    /// Parentheses stand only where they are needed: DynamoDB refuses others.
    fn write(&self, places: &mut Placeholders) -> String {
        match self {
            Self::True | Self::False => String::new(),
            Self::Present(column) => format!("attribute_exists({})", places.name(column)),
            Self::Absent(column) => format!("attribute_not_exists({})", places.name(column)),
            Self::Compare(column, how, value) => {
                format!("{} {how} {}", places.name(column), places.value(value.clone()))
            }
            Self::Joined(joint, clauses) => {
                let word = match joint {
                    Joint::And => " AND ",
                    Joint::Or => " OR ",
                };
                let texts = clauses.iter().map(|clause| match clause {
                    Self::Joined(..) => format!("({})", clause.write(places)),
                    clause => clause.write(places),
                });
                texts.collect::<Vec<_>>().join(word)
            }
        }
    }
}

/// There is a row.
pub(super) fn present() -> Clause {
    Clause::Present(PARTITION_KEY.to_owned())
}

/// There is no row.
pub(super) fn absent() -> Clause {
    Clause::Absent(PARTITION_KEY.to_owned())
}

/// What never holds, and yet asks something.
fn never() -> Clause {
    Clause::all([present(), absent()])
}

/// What always holds, and yet asks something.
pub(super) fn always() -> Clause {
    Clause::any([present(), absent()])
}

/// The row is not the one that this very commit has written: so an attempt that arrives after
/// another one changes nothing.
pub(super) fn unwritten(version: u64) -> Clause {
    let column = VERSION.to_owned();
    let other = Clause::Compare(column.clone(), "<>", layout::number(version));
    Clause::any([Clause::Absent(column), other])
}

/// A condition on an item, with the meaning of [`Condition::holds`].
pub(super) fn clause(condition: &Condition) -> Clause {
    match condition {
        Condition::Always => Clause::True,
        Condition::Absent => absent(),
        Condition::Present => present(),
        Condition::VersionIs(version) => {
            Clause::Compare(VERSION.to_owned(), "=", layout::number(*version))
        }
        Condition::Attribute { name, compare, value } => {
            let (column, value) = (layout::attribute(name), layout::scalar(value));
            match compare {
                Compare::Equal => Clause::Compare(column, "=", value),
                Compare::Less => Clause::Compare(column, "<", value),
                Compare::Greater => Clause::Compare(column, ">", value),
                // An attribute that is not there is unequal to everything, and not what is meant.
                Compare::NotEqual => Clause::all([
                    Clause::Present(column.clone()),
                    Clause::Compare(column, "<>", value),
                ]),
            }
        }
        Condition::NoAttribute(name) => {
            Clause::all([present(), Clause::Absent(layout::attribute(name))])
        }
        Condition::ExpiredBy(now) => {
            let now = layout::number(layout::millis(*now));
            Clause::Compare(EXPIRES.to_owned(), "<", now)
        }
        Condition::All(conditions) => Clause::all(conditions.iter().map(clause)),
        Condition::Any(conditions) => Clause::any(conditions.iter().map(clause)),
    }
}

#[cfg(test)]
mod tests;
