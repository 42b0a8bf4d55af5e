//! Edits as one update expression.
//!
//! Edits happen one after the other; DynamoDB computes all parts of an update from what was there
//! before, and takes each attribute once. So edits of one attribute are folded into one first.

use std::collections::BTreeMap;

use bytes::Bytes;
use headgate_store::{Edit, Scalar};
use headgate_types::UnixTime;

use super::{
    expression::{Clause, Placeholders},
    layout::{self, EXPIRES, TTL, VALUE, VERSION},
};

/// What becomes of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change<'a> {
    Set(Scalar),
    Add { amount: u64, from: u64 },
    Remove,
    Bytes(&'a Bytes),
}

/// Edits that were folded.
#[derive(Debug, Default)]
pub(super) struct Update<'a> {
    changes: BTreeMap<String, Change<'a>>,
}

const OVERFLOW: &str = "a sum overflows";
const NO_NUMBER: &str = "an attribute to add to is no number";

impl<'a> Update<'a> {
    /// Folds edits.
    ///
    /// # Errors
    ///
    /// A constant description when a sum is taken of bytes or overflows whatever stands there.
    pub(super) fn fold(edits: &'a [Edit]) -> Result<Self, &'static str> {
        let mut update = Self::default();
        for edit in edits {
            match edit {
                Edit::Set(name, value) => {
                    update.set(layout::attribute(name), Change::Set(value.clone()));
                }
                Edit::Remove(name) => update.set(layout::attribute(name), Change::Remove),
                Edit::Add { name, amount, from } => {
                    let column = layout::attribute(name);
                    let change = added(update.changes.get(&column), *amount, *from)?;
                    update.set(column, change);
                }
                Edit::Value(value) if value.is_empty() => {
                    update.set(VALUE.to_owned(), Change::Remove);
                }
                Edit::Value(value) => update.set(VALUE.to_owned(), Change::Bytes(value)),
                Edit::Expires(expires) => update.expires(*expires),
            }
        }
        Ok(update)
    }

    /// What must be so beside the caller's condition: attributes that are added to are numbers,
    /// and no sum goes above the range of a number here; DynamoDB's own range is larger.
    pub(super) fn guard(&self) -> Clause {
        Clause::all(self.changes.iter().filter_map(|(column, change)| {
            let Change::Add { amount, from } = change else { return None };
            let most = layout::number(u64::MAX - amount);
            let fits = Clause::Compare(column.clone(), "<=", most);
            // What is missing starts at `from`, which may be too much already.
            if from.checked_add(*amount).is_none() {
                return Some(fits);
            }
            Some(Clause::any([Clause::Absent(column.clone()), fits]))
        }))
    }

    /// The update expression, with the version that the row gets.
    pub(super) fn text(&self, version: u64, places: &mut Placeholders) -> String {
        let mut set = vec![(places.name(VERSION), places.value(layout::number(version)))];
        let mut removed = Vec::new();
        for (column, change) in &self.changes {
            let name = places.name(column);
            let value = match change {
                Change::Remove => {
                    removed.push(name);
                    continue;
                }
                Change::Set(value) => places.value(layout::scalar(value)),
                Change::Bytes(value) => places.value(layout::blob(value)),
                Change::Add { amount, from } => {
                    let (from, amount) = (layout::number(*from), layout::number(*amount));
                    let (from, amount) = (places.value(from), places.value(amount));
                    format!("if_not_exists({name}, {from}) + {amount}")
                }
            };
            set.push((name, value));
        }
        let set: Vec<_> = set.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let mut text = format!("SET {}", set.join(", "));
        if !removed.is_empty() {
            text = format!("{text} REMOVE {}", removed.join(", "));
        }
        text
    }

    fn set(&mut self, column: String, change: Change<'a>) {
        self.changes.insert(column, change);
    }

    fn expires(&mut self, expires: Option<UnixTime>) {
        let columns = [(EXPIRES, expires.map(layout::millis)), (TTL, expires.map(layout::seconds))];
        for (column, time) in columns {
            let change = time.map_or(Change::Remove, |time| Change::Set(time.into()));
            self.set(column.to_owned(), change);
        }
    }
}

/// An addition after what the edits before it did to the same attribute.
fn added<'a>(
    before: Option<&Change<'a>>,
    amount: u64,
    from: u64,
) -> Result<Change<'a>, &'static str> {
    let sum = |number: u64, amount: u64| number.checked_add(amount).ok_or(OVERFLOW);
    Ok(match before {
        None => Change::Add { amount, from },
        Some(Change::Add { amount: first, from }) => {
            Change::Add { amount: sum(*first, amount)?, from: *from }
        }
        Some(Change::Remove) => Change::Set(sum(from, amount)?.into()),
        Some(Change::Set(Scalar::Number(number))) => Change::Set(sum(*number, amount)?.into()),
        Some(Change::Set(Scalar::Bytes(_)) | Change::Bytes(_)) => return Err(NO_NUMBER),
    })
}

#[cfg(test)]
mod tests;
