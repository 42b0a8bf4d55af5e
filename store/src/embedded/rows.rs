//! Rows as bytes. Keys sort as what they stand for; every length has a bound.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::DELETED;
use crate::{
    engine::{Entry, Failure, LogBounds},
    item::{Content, Item, Key, Scalar, from_millis, millis},
};

/// What an entry counts besides its payload.
pub(super) const ENTRY_OVERHEAD: u64 = 16;

/// Where the key of a row of several entries says how many.
const RUN_COUNT_AT: usize = 16;

const NEVER: u64 = u64::MAX;
const NUMBER: u8 = 0;
const BYTES: u8 = 1;

/// A name with its length before it, so that none is the beginning of another.
pub(super) fn named(name: &str) -> Vec<u8> {
    let mut row = Vec::with_capacity(name.len() + 64);
    push_short(&mut row, name.as_bytes());
    row
}

pub(super) fn item_key(key: &Key) -> Vec<u8> {
    let mut row = named(&key.space);
    row.extend_from_slice(&key.key);
    row
}

pub(super) fn expiry_key(expires: u64, item: &[u8]) -> Vec<u8> {
    let mut row = expires.to_be_bytes().to_vec();
    row.extend_from_slice(item);
    row
}

pub(super) fn deleted_key(topic: u32) -> Vec<u8> {
    let mut row = DELETED.to_vec();
    row.extend_from_slice(&topic.to_be_bytes());
    row
}

pub(super) fn parse_topic_key(row: &[u8]) -> Result<u32, Failure> {
    row.try_into().map(u32::from_be_bytes).map_err(|_| unreadable())
}

pub(super) fn log_key(topic: u32, partition: u32) -> Vec<u8> {
    let mut row = Vec::with_capacity(16);
    row.extend_from_slice(&topic.to_be_bytes());
    row.extend_from_slice(&partition.to_be_bytes());
    row
}

pub(super) fn entry_key(topic: u32, partition: u32, offset: u64) -> Vec<u8> {
    let mut row = log_key(topic, partition);
    row.extend_from_slice(&offset.to_be_bytes());
    row
}

pub(super) fn offset_key(topic: u32, partition: u32, group: &str) -> Vec<u8> {
    let mut row = log_key(topic, partition);
    row.extend_from_slice(group.as_bytes());
    row
}

pub(super) fn delayed_key(queue: &str, due: u64, id: &[u8]) -> Vec<u8> {
    let mut row = named(queue);
    row.extend_from_slice(&due.to_be_bytes());
    row.extend_from_slice(id);
    row
}

pub(super) fn item(version: u64, content: &Content) -> Vec<u8> {
    let mut row = Vec::with_capacity(content.value.len() + 64 * content.attributes.len() + 17);
    row.extend_from_slice(&version.to_le_bytes());
    row.extend_from_slice(&content.expires.map_or(NEVER, millis).to_le_bytes());
    push_short(&mut row, &[]);
    if let (Some(count), Ok(attributes)) = (row.last_mut(), content.attributes.len().try_into()) {
        *count = attributes;
    }
    for (name, value) in &content.attributes {
        push_short(&mut row, name.as_bytes());
        match value {
            Scalar::Number(number) => {
                row.push(NUMBER);
                row.extend_from_slice(&number.to_le_bytes());
            }
            Scalar::Bytes(bytes) => {
                row.push(BYTES);
                row.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                row.extend_from_slice(bytes);
            }
        }
    }
    row.extend_from_slice(&content.value);
    row
}

pub(super) fn parse_item(row: &[u8]) -> Result<Item, Failure> {
    let mut rest = Rest(row);
    let version = rest.number()?;
    let expires = rest.number()?;
    let mut attributes = BTreeMap::new();
    for _ in 0..rest.byte()? {
        let name = rest.short()?;
        let name = str::from_utf8(name).map_err(|_| unreadable())?.to_owned();
        let value = if rest.byte()? == NUMBER {
            Scalar::Number(rest.number()?)
        } else {
            let len = usize::try_from(rest.number()?).map_err(|_| unreadable())?;
            Scalar::Bytes(Bytes::copy_from_slice(rest.take(len)?))
        };
        attributes.insert(name, value);
    }
    let expires = (expires != NEVER).then_some(from_millis(expires));
    let value = Bytes::copy_from_slice(rest.0);
    Ok(Item { version, content: Content { attributes, value, expires } })
}

pub(super) fn bounds(bounds: &LogBounds) -> [u8; 24] {
    let mut row = [0; 24];
    let (words, _) = row.as_chunks_mut();
    for (word, number) in words.iter_mut().zip([bounds.start, bounds.end, bounds.bytes]) {
        *word = number.to_le_bytes();
    }
    row
}

pub(super) fn parse_bounds(row: &[u8]) -> Result<LogBounds, Failure> {
    let mut rest = Rest(row);
    Ok(LogBounds { start: rest.number()?, end: rest.number()?, bytes: rest.number()? })
}

pub(super) fn parse_log_key(row: &[u8]) -> Result<(u32, u32), Failure> {
    let word = |at: usize| {
        let bytes = row.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_be_bytes).ok_or_else(unreadable)
    };
    Ok((word(0)?, word(4)?))
}

/// The key of a row of entries: of its first one's offset, and of how many if it is not one.
pub(super) fn run_key(topic: u32, partition: u32, first: u64, entries: u32) -> Vec<u8> {
    let mut row = entry_key(topic, partition, first);
    if entries > 1 {
        row.extend_from_slice(&entries.to_be_bytes());
    }
    row
}

/// Adds an entry to a row of several. Behind its length it is as the row of one entry.
pub(super) fn push_entry(row: &mut Vec<u8>, time: u64, payload: &[u8]) {
    let len = u32::try_from(payload.len() + 8);
    debug_assert!(len.is_ok(), "entries are validated");
    row.extend_from_slice(&len.unwrap_or_default().to_le_bytes());
    row.extend_from_slice(&time.to_le_bytes());
    row.extend_from_slice(payload);
}

/// One entry of a row.
pub(super) struct Logged<'a> {
    pub(super) offset: u64,
    pub(super) time: u64,
    pub(super) payload: &'a [u8],
}

impl Logged<'_> {
    /// What the entry counts.
    pub(super) const fn bytes(&self) -> u64 {
        self.payload.len() as u64 + ENTRY_OVERHEAD
    }

    pub(super) fn entry(&self) -> Entry {
        let (time, payload) = (from_millis(self.time), Bytes::copy_from_slice(self.payload));
        Entry { offset: self.offset, time, payload }
    }
}

/// The entries of a row, in order.
pub(super) fn entries<'a>(
    key: &[u8],
    row: &'a [u8],
) -> Result<impl Iterator<Item = Result<Logged<'a>, Failure>> + use<'a>, Failure> {
    let first = big_endian(key, 8)?;
    let single = key.len() == RUN_COUNT_AT;
    let count = if single {
        1
    } else {
        let count = key.get(RUN_COUNT_AT..).and_then(|count| count.try_into().ok());
        u64::from(count.map(u32::from_be_bytes).ok_or_else(unreadable)?)
    };
    let mut rest = Rest(row);
    Ok((first..first.saturating_add(count)).map(move |offset| {
        let entry = if single { rest.0 } else { rest.long()? };
        let mut entry = Rest(entry);
        Ok(Logged { offset, time: entry.number()?, payload: entry.0 })
    }))
}

pub(super) fn number(row: &[u8]) -> Result<u64, Failure> {
    Rest(row).number()
}

/// A number inside of a key.
pub(super) fn big_endian(key: &[u8], at: usize) -> Result<u64, Failure> {
    let bytes = key.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u64::from_be_bytes).ok_or_else(unreadable)
}

pub(super) fn unreadable() -> Failure {
    Failure::Damaged("a row can't be read".to_owned())
}

/// Names have at most 128 bytes: the batch was validated.
fn push_short(row: &mut Vec<u8>, bytes: &[u8]) {
    let len = u8::try_from(bytes.len());
    debug_assert!(len.is_ok(), "names are validated");
    row.push(len.unwrap_or(u8::MAX));
    row.extend_from_slice(bytes);
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Failure> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(unreadable)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Failure> {
        self.take(1)?.first().copied().ok_or_else(unreadable)
    }

    fn short(&mut self) -> Result<&'a [u8], Failure> {
        let len = self.byte()?;
        self.take(len.into())
    }

    fn long(&mut self) -> Result<&'a [u8], Failure> {
        let len = self.take(4)?.try_into().map_err(|_| unreadable())?;
        self.take(usize::try_from(u32::from_le_bytes(len)).map_err(|_| unreadable())?)
    }

    fn number(&mut self) -> Result<u64, Failure> {
        let bytes = self.take(8)?.try_into().map_err(|_| unreadable())?;
        Ok(u64::from_le_bytes(bytes))
    }
}
