//! Sizes of a batch's parts, and what is above a limit.

use super::{
    ATTRIBUTES_MAX, Batch, CONDITION_TERMS_MAX, ENTRY_BYTES_MAX, KEY_BYTES_MAX, NAME_BYTES_MAX,
    Operation, PARTITION_MAX, VALUE_BYTES_MAX,
};
use crate::{
    error::Error,
    item::{Condition, Content, Edit, Key, Scalar},
};

impl Operation {
    /// The topic whose log or offsets the operation changes.
    fn topic(&self) -> Option<&str> {
        match self {
            Self::Append { topic, .. }
            | Self::CommitOffset { topic, .. }
            | Self::ResetOffset { topic, .. }
            | Self::Trim { topic, .. }
            | Self::DeleteTopic { topic } => Some(topic),
            _ => None,
        }
    }

    /// The topic whose readers have something to see.
    pub(crate) fn tells(&self) -> Option<&str> {
        match self {
            Self::Append { topic, .. } | Self::DeleteTopic { topic } => Some(topic),
            _ => None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Put { key, content, .. } => {
                let attributes: usize =
                    content.attributes.iter().map(|(name, value)| name.len() + value.bytes()).sum();
                key.bytes() + attributes + content.value.len()
            }
            Self::Update { key, edits, .. } => {
                key.bytes() + edits.iter().map(Edit::bytes).sum::<usize>()
            }
            Self::Check { key, .. } | Self::Delete { key, .. } => key.bytes(),
            Self::Append { topic, payload, .. } => topic.len() + payload.len(),
            Self::Schedule { queue, id, payload, .. } => queue.len() + id.len() + payload.len(),
            Self::Take { queue, id, .. } => queue.len() + id.len(),
            Self::CommitOffset { group, topic, .. } | Self::ResetOffset { group, topic, .. } => {
                group.len() + topic.len()
            }
            Self::Trim { topic, .. } | Self::DeleteTopic { topic } => topic.len(),
            Self::Sweep { .. } => 0,
        }
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Check { key, when } | Self::Delete { key, when } => item(key, when),
            Self::Put { key, content, when } => {
                item(key, when)?;
                content.validate()
            }
            Self::Update { key, edits, when } => {
                item(key, when)?;
                within("an update's edits", edits.len(), ATTRIBUTES_MAX)?;
                edits.iter().try_for_each(Edit::validate)
            }
            Self::Append { topic, partition, payload, .. } => {
                log(topic, *partition)?;
                within("a log entry's bytes", payload.len(), ENTRY_BYTES_MAX)
            }
            Self::CommitOffset { group, topic, partition, .. }
            | Self::ResetOffset { group, topic, partition, .. } => {
                name(group)?;
                log(topic, *partition)
            }
            Self::Schedule { queue, id, payload, .. } => {
                name(queue)?;
                within("an id's bytes", id.len(), KEY_BYTES_MAX)?;
                within("a delayed entry's bytes", payload.len(), ENTRY_BYTES_MAX)
            }
            Self::Take { queue, id, .. } => {
                name(queue)?;
                within("an id's bytes", id.len(), KEY_BYTES_MAX)
            }
            Self::Trim { topic, partition, .. } => log(topic, *partition),
            Self::DeleteTopic { topic } => name(topic),
            Self::Sweep { .. } => Ok(()),
        }
    }
}

impl Batch {
    /// A topic that is deleted is named by nothing else.
    pub(super) fn validate_topics(&self) -> Result<(), Error> {
        for operation in self.operations.iter() {
            let Operation::DeleteTopic { topic } = operation else { continue };
            let names = |other: &&Operation| other.topic() == Some(topic);
            if self.operations.iter().filter(names).count() > 1 {
                return Err(Error::Invalid("a topic is deleted beside another operation on it"));
            }
        }
        Ok(())
    }
}

impl Content {
    /// Finds what is above a limit. An engine asks again after edits.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] and [`Error::Invalid`].
    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("an item's attributes", self.attributes.len(), ATTRIBUTES_MAX)?;
        within("an item's value", self.value.len(), VALUE_BYTES_MAX)?;
        self.attributes.iter().try_for_each(|(text, value)| {
            name(text)?;
            within("an attribute's bytes", value.bytes(), VALUE_BYTES_MAX)
        })
    }
}

impl Edit {
    fn bytes(&self) -> usize {
        match self {
            Self::Set(name, value) => name.len() + value.bytes(),
            Self::Add { name, .. } => name.len() + 8,
            Self::Remove(name) => name.len(),
            Self::Value(value) => value.len(),
            Self::Expires(_) => 8,
        }
    }

    fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Set(text, value) => {
                name(text)?;
                within("an attribute's bytes", value.bytes(), VALUE_BYTES_MAX)
            }
            Self::Add { name: text, .. } | Self::Remove(text) => name(text),
            Self::Value(value) => within("an item's value", value.len(), VALUE_BYTES_MAX),
            Self::Expires(_) => Ok(()),
        }
    }
}

impl Scalar {
    fn bytes(&self) -> usize {
        match self {
            Self::Number(_) => 8,
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl Key {
    fn bytes(&self) -> usize {
        self.space.len() + self.key.len()
    }
}

fn item(key: &Key, when: &Condition) -> Result<(), Error> {
    name(&key.space)?;
    within("a key's bytes", key.key.len(), KEY_BYTES_MAX)?;
    within("a condition's terms", when.terms(), CONDITION_TERMS_MAX)
}

fn log(topic: &str, partition: u32) -> Result<(), Error> {
    name(topic)?;
    if partition > PARTITION_MAX {
        return Err(Error::Invalid("a partition's number is too large"));
    }
    Ok(())
}

pub(crate) fn name(text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::Invalid("a name is empty"));
    }
    within("a name's bytes", text.len(), NAME_BYTES_MAX)
}

pub(super) fn within(what: &'static str, size: usize, max: usize) -> Result<(), Error> {
    if size > max { Err(Error::TooLarge { what, size, max }) } else { Ok(()) }
}
