//! Where things stand in the table: keys, attributes, and items in both directions.
//!
//! | what | `pk` | `sk` | attributes |
//! |---|---|---|---|
//! | item | `i#` and the key | the space | `v`, `val`, `exp`, `ttl`, and `a_NAME` for each attribute |
//! | log entry | `o#SHARD` | time, version and place in the batch | `v`, `topic`, `part`, `time`, `val` |
//! | delayed entry | `q#QUEUE#SHARD` | due time and id | `v`, `due`, `id`, `val` |
//!
//! A key of visible ASCII characters stands as it is, behind `=`; any other as base64, behind `~`.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use headgate_store::{Content, Item, Key, Scalar};
use headgate_types::UnixTime;

use crate::store::StoreError;

/// Partitions over which log entries, and those of each delay queue, are spread: one partition of
/// DynamoDB takes a thousand writes a second. A reader asks all.
pub const SHARDS: u32 = 16;

/// The partition key.
pub(super) const PARTITION_KEY: &str = "pk";
/// The sort key.
pub(super) const SORT_KEY: &str = "sk";
/// The number of the commit that wrote the row last.
pub(super) const VERSION: &str = "v";
/// An item's value, or an entry's payload. Absent: empty.
pub(super) const VALUE: &str = "val";
/// When an item expires, in milliseconds: what conditions ask.
pub(super) const EXPIRES: &str = "exp";
/// The same in seconds, rounded up: what DynamoDB removes by, and nobody else reads.
pub(super) const TTL: &str = "ttl";

/// Bytes of a sort key at most.
const SORT_KEY_BYTES_MAX: usize = 1_024;

/// A key, or an item with its key.
pub(super) type Row = HashMap<String, AttributeValue>;

/// An item's key.
pub(super) fn item(key: &Key) -> Row {
    place(format!("i#{}", text(&key.key)), key.space.clone())
}

/// The key of an item by its row's partition key. None: the row is no item.
pub(super) fn item_key(partition: &str) -> Option<Bytes> {
    let text = partition.strip_prefix("i#")?;
    match text.split_at_checked(1)? {
        ("=", key) => Some(Bytes::copy_from_slice(key.as_bytes())),
        ("~", key) => URL_SAFE_NO_PAD.decode(key).ok().map(Bytes::from),
        _ => None,
    }
}

/// An entry of the outbox, without its payload. Entries of one partition of a topic share a shard,
/// and stand in it by time, then by version, then by their place in the batch.
pub(super) fn entry(topic: &str, partition: u32, time: UnixTime, by: (u64, usize)) -> Row {
    let (version, at) = by;
    let sort = format!("{}#{version:016x}#{at:03}", moment(time));
    let mut row = place(outbox(outbox_shard(topic, partition)), sort);
    row.insert("topic".to_owned(), AttributeValue::S(topic.to_owned()));
    row.insert("part".to_owned(), number(partition.into()));
    row.insert("time".to_owned(), number(millis(time)));
    row
}

/// A delayed entry's key.
///
/// # Errors
///
/// [`StoreError::Invalid`]: the id does not fit into a sort key.
pub(super) fn delayed(queue: &str, due: UnixTime, id: &Bytes) -> Result<Row, StoreError> {
    let sort = format!("{}#{}", moment(due), text(id));
    if sort.len() > SORT_KEY_BYTES_MAX {
        let bytes = id.len();
        return Err(StoreError::Invalid(format!(
            "a delayed entry's id of {bytes} bytes does not fit into a sort key"
        )));
    }
    Ok(place(delay(queue, shard(&[id])), sort))
}

/// The partition of one shard of the outbox.
pub(super) fn outbox(shard: u32) -> String {
    format!("o#{shard:02}")
}

/// The shard of the outbox that has a topic's partition.
pub(super) fn outbox_shard(topic: &str, partition: u32) -> u32 {
    shard(&[topic.as_bytes(), &partition.to_be_bytes()])
}

/// The partition of one shard of a delay queue.
pub(super) fn delay(queue: &str, shard: u32) -> String {
    format!("q#{queue}#{shard:02}")
}

/// A time as sort keys begin with it, so that they are ordered by it.
pub(super) fn moment(time: UnixTime) -> String {
    format!("{:020}", millis(time))
}

/// Adds what an item holds.
pub(super) fn fill(row: &mut Row, content: &Content) {
    for (name, value) in &content.attributes {
        row.insert(attribute(name), scalar(value));
    }
    if !content.value.is_empty() {
        row.insert(VALUE.to_owned(), blob(&content.value));
    }
    if let Some(expires) = content.expires {
        row.insert(EXPIRES.to_owned(), number(millis(expires)));
        row.insert(TTL.to_owned(), number(seconds(expires)));
    }
}

/// The column of an item's attribute: apart from the columns that are the store's own.
pub(super) fn attribute(name: &str) -> String {
    format!("a_{name}")
}

pub(super) fn scalar(value: &Scalar) -> AttributeValue {
    match value {
        Scalar::Number(value) => number(*value),
        Scalar::Bytes(bytes) => blob(bytes),
    }
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn blob(bytes: &Bytes) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes.as_ref()))
}

/// Whole milliseconds since the epoch.
pub(super) fn millis(time: UnixTime) -> u64 {
    u64::try_from(time.as_duration().as_millis()).unwrap_or(u64::MAX)
}

/// Whole seconds since the epoch, never before the time itself.
pub(super) fn seconds(time: UnixTime) -> u64 {
    millis(time).div_ceil(1_000)
}

/// The number of the commit that wrote a row last.
pub(super) fn version(row: &Row) -> Option<u64> {
    row.get(VERSION).and_then(as_number)
}

/// An item as a row has it.
///
/// # Errors
///
/// [`StoreError::Unavailable`]: something else than this store wrote the row.
pub(super) fn read(row: &Row) -> Result<Item, StoreError> {
    let foreign = || StoreError::Unavailable("a row of the table is no item of ours".to_owned());
    let mut item = Item { version: version(row).ok_or_else(foreign)?, content: Content::default() };
    for (column, value) in row {
        if let Some(name) = column.strip_prefix("a_") {
            let value = as_number(value).map(Scalar::Number);
            let value = value.or_else(|| as_bytes(row.get(column)?).map(Scalar::Bytes));
            item.content.attributes.insert(name.to_owned(), value.ok_or_else(foreign)?);
        }
    }
    if let Some(value) = row.get(VALUE) {
        item.content.value = as_bytes(value).ok_or_else(foreign)?;
    }
    if let Some(expires) = row.get(EXPIRES) {
        item.content.expires = Some(as_time(expires).ok_or_else(foreign)?);
    }
    Ok(item)
}

/// Bytes of a row as DynamoDB counts them, about: names and values.
pub(super) fn bytes(row: &Row) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        _ => 0,
    };
    row.iter().map(|(name, it)| name.len() + value(it)).sum()
}

pub(super) fn place(partition: String, sort: String) -> Row {
    let keys = [(PARTITION_KEY, partition), (SORT_KEY, sort)];
    keys.map(|(name, key)| (name.to_owned(), AttributeValue::S(key))).into()
}

/// Bytes as text, never two the same: a person can read keys that are text.
fn text(bytes: &Bytes) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => format!("={text}"),
        _ => format!("~{}", URL_SAFE_NO_PAD.encode(bytes)),
    }
}

fn shard(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize() % SHARDS
}

pub(super) fn as_number(value: &AttributeValue) -> Option<u64> {
    value.as_n().ok()?.parse().ok()
}

pub(super) fn as_time(value: &AttributeValue) -> Option<UnixTime> {
    let since_epoch = Duration::from_millis(as_number(value)?);
    Some(UnixTime::from_duration(since_epoch))
}

pub(super) fn as_bytes(value: &AttributeValue) -> Option<Bytes> {
    value.as_b().ok().map(|blob| Bytes::copy_from_slice(blob.as_ref()))
}

#[cfg(test)]
mod tests;
