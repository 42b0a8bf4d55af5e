//! Items, the conditions under which they are written, and edits of their attributes.

use std::collections::BTreeMap;

use bytes::Bytes;
use headgate_types::UnixTime;
use serde::{Deserialize, Serialize};

use crate::remote::times::{maybe_time, time};

/// Names an item: a key in a space. Items of a space are ordered by their keys' bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What keeps one use apart from another, such as `state` or `idempotency`.
    pub space: String,
    /// The key inside the space.
    pub key: Bytes,
}

impl Key {
    /// Names an item.
    pub fn new(space: impl Into<String>, key: impl Into<Bytes>) -> Self {
        Self { space: space.into(), key: key.into() }
    }
}

/// An attribute's value. A number and bytes are never equal, and numbers come before bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scalar {
    /// A number.
    Number(u64),
    /// Bytes, ordered one by one.
    Bytes(Bytes),
}

impl From<u64> for Scalar {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Bytes> for Scalar {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// What an item holds, as its writer gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Small values by name, which conditions compare and edits change.
    pub attributes: BTreeMap<String, Scalar>,
    /// Everything else.
    pub value: Bytes,
    /// From when a sweep may remove the item, whole milliseconds. None: never. Until the sweep
    /// the item is there, so a condition that cares says [`Condition::ExpiredBy`].
    #[serde(with = "maybe_time")]
    pub expires: Option<UnixTime>,
}

/// An item as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The number of the batch that wrote it last. Never used twice, not even after a delete.
    pub version: u64,
    /// What it holds.
    pub content: Content,
}

/// What must be true of an item for its operation, and with it the batch, to take place.
///
/// The vocabulary is what the idempotency protocol needs of `DynamoDB`'s condition expressions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Holds always.
    Always,
    /// There is no such item.
    Absent,
    /// There is such an item.
    Present,
    /// The item is there in this version.
    VersionIs(u64),
    /// The item has the attribute, and it compares so with the value.
    Attribute {
        /// The attribute's name.
        name: String,
        /// How the attribute must stand to the value.
        compare: Compare,
        /// The value.
        value: Scalar,
    },
    /// The item is there without this attribute.
    NoAttribute(String),
    /// The item is there, and its time to expire lies before this one.
    ExpiredBy(#[serde(with = "time")] UnixTime),
    /// All hold. Of none: holds.
    All(Vec<Self>),
    /// One holds at least. Of none: does not hold.
    Any(Vec<Self>),
}

/// How an attribute must stand to a value. Kinds that differ are unequal and have no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compare {
    /// Is equal.
    Equal,
    /// Is not equal.
    NotEqual,
    /// Is smaller.
    Less,
    /// Is larger.
    Greater,
}

impl Condition {
    /// The attribute is there and equal to the value.
    pub fn equals(name: impl Into<String>, value: impl Into<Scalar>) -> Self {
        Self::Attribute { name: name.into(), compare: Compare::Equal, value: value.into() }
    }

    /// Tells whether the condition holds for what stands in the store.
    pub fn holds(&self, item: Option<&Item>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => item.is_none(),
            Self::Present => item.is_some(),
            Self::VersionIs(version) => item.is_some_and(|item| item.version == *version),
            Self::Attribute { name, compare, value } => item
                .and_then(|item| item.content.attributes.get(name))
                .is_some_and(|attribute| compare.holds(attribute, value)),
            Self::NoAttribute(name) => {
                item.is_some_and(|item| !item.content.attributes.contains_key(name))
            }
            Self::ExpiredBy(now) => item
                .and_then(|item| item.content.expires)
                .is_some_and(|expires| millis(expires) < millis(*now)),
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(item)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(item)),
        }
    }

    /// How many conditions this one consists of, itself included.
    pub(crate) fn terms(&self) -> usize {
        match self {
            Self::All(conditions) | Self::Any(conditions) => {
                1 + conditions.iter().map(Self::terms).sum::<usize>()
            }
            _ => 1,
        }
    }
}

impl Compare {
    fn holds(self, attribute: &Scalar, value: &Scalar) -> bool {
        let same_kind = matches!(
            (attribute, value),
            (Scalar::Number(_), Scalar::Number(_)) | (Scalar::Bytes(_), Scalar::Bytes(_))
        );
        match self {
            Self::Equal => attribute == value,
            Self::NotEqual => attribute != value,
            Self::Less => same_kind && attribute < value,
            Self::Greater => same_kind && attribute > value,
        }
    }
}

/// One change of an item's content. An update of an item that is not there starts from an empty
/// one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// Sets an attribute.
    Set(String, Scalar),
    /// Adds to an attribute that is a number; one that is missing starts at `from`.
    Add {
        /// The attribute's name.
        name: String,
        /// What is added.
        amount: u64,
        /// Where a missing attribute starts.
        from: u64,
    },
    /// Removes an attribute, if it is there.
    Remove(String),
    /// Sets the value.
    Value(Bytes),
    /// Sets or clears the time to expire.
    Expires(#[serde(with = "maybe_time")] Option<UnixTime>),
}

impl Edit {
    /// Carries the edit out.
    ///
    /// # Errors
    ///
    /// A constant description when a sum is taken of bytes, or overflows.
    pub(crate) fn apply(&self, content: &mut Content) -> Result<(), &'static str> {
        match self {
            Self::Set(name, value) => {
                content.attributes.insert(name.clone(), value.clone());
            }
            Self::Add { name, amount, from } => {
                let attribute = content.attributes.entry(name.clone()).or_insert((*from).into());
                let Scalar::Number(number) = attribute else {
                    return Err("an attribute to add to is no number");
                };
                *number = number.checked_add(*amount).ok_or("a sum overflows")?;
            }
            Self::Remove(name) => {
                content.attributes.remove(name);
            }
            Self::Value(value) => content.value = value.clone(),
            Self::Expires(expires) => content.expires = *expires,
        }
        Ok(())
    }
}

/// Whole milliseconds since the epoch: the resolution in which times are kept.
pub(crate) fn millis(time: UnixTime) -> u64 {
    u64::try_from(time.as_duration().as_millis()).unwrap_or(u64::MAX)
}

/// The time that many milliseconds after the epoch.
pub(crate) const fn from_millis(millis: u64) -> UnixTime {
    UnixTime::from_duration(std::time::Duration::from_millis(millis))
}

#[cfg(test)]
mod tests;
