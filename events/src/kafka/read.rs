//! Reading without a group.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use bytes::Bytes;
use headgate_types::UnixTime;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _},
};
use tokio::time::Instant;

use super::{Inner, client::Quiet, failure, topics};
use crate::{error::LogError, log::Entry};

/// Entries of a partition from an offset on, so many at most.
pub(super) fn entries(
    inner: &Inner,
    topic: &str,
    partition: u32,
    (from, rows): (u64, usize),
) -> Result<Vec<Entry>, LogError> {
    let bounds = match topics::bounds_of(inner, topic, partition) {
        Ok(bounds) => bounds,
        Err(error) if failure::is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failure::of(&error)),
    };
    let from = from.max(bounds.first);
    if from >= bounds.next || rows == 0 {
        return Ok(Vec::new());
    }
    let reader = inner.reader.lock();
    let assigned = at(topic, partition, from)
        .and_then(|at| reader.assign(&at))
        .map_err(|error| failure::of(&error));
    let read = assigned.and_then(|()| read(inner, &reader, (partition, rows), bounds.next));
    let let_go = reader.unassign().map_err(|error| failure::of(&error));
    read.and_then(|entries| let_go.map(|()| entries))
}

/// Reads up to where the partition ended when it was asked.
fn read(
    inner: &Inner,
    reader: &BaseConsumer<Quiet>,
    (partition, rows): (u32, usize),
    end: u64,
) -> Result<Vec<Entry>, LogError> {
    let until = Instant::now() + inner.settings.request_timeout;
    let mut entries = Vec::new();
    while entries.len() < rows {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LogError::Unavailable("the entries did not come in time".to_owned()));
        }
        match reader.poll(left) {
            // What was fetched for the reader before this one.
            Some(Ok(message)) if !is_of(&message, partition) => {}
            Some(Ok(message)) => {
                let entry = entry(&message);
                let is_last = entry.offset + 1 >= end;
                entries.push(entry);
                if is_last {
                    break;
                }
            }
            // Transactions' marks and what was given up take offsets too.
            Some(Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(error)) if failure::is_absent(&error) => break,
            Some(Err(error)) => tracing::debug!(%error, "a read of Kafka goes on after an error"),
            None => {}
        }
    }
    Ok(entries)
}

fn is_of(message: &BorrowedMessage<'_>, partition: u32) -> bool {
    u32::try_from(message.partition()) == Ok(partition)
}

fn at(topic: &str, partition: u32, offset: u64) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    let partition = i32::try_from(partition).unwrap_or(i32::MAX);
    let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    list.add_partition_offset(topic, partition, offset)?;
    Ok(list)
}

/// An entry as a record has it: all bytes as they came, also those that nobody can read.
pub(super) fn entry(message: &BorrowedMessage<'_>) -> Entry {
    let millis = message.timestamp().to_millis().and_then(|millis| u64::try_from(millis).ok());
    Entry {
        partition: u32::try_from(message.partition()).unwrap_or_default(),
        offset: u64::try_from(message.offset()).unwrap_or_default(),
        time: UnixTime::from_duration(Duration::from_millis(millis.unwrap_or_default())),
        key: message.key().map(Bytes::copy_from_slice),
        headers: headers(message),
        value: message.payload().map(Bytes::copy_from_slice).unwrap_or_default(),
    }
}

fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Bytes)> {
    let Some(headers) = message.headers() else { return Vec::new() };
    let read = |at| {
        let header = headers.try_get(at)?;
        Some((header.key.to_owned(), Bytes::copy_from_slice(header.value.unwrap_or_default())))
    };
    // The client panics at a name that is no UTF-8, which anybody may have written; CloudEvents
    // has no such names, so the header is left out.
    let each = |at| catch_unwind(AssertUnwindSafe(|| read(at))).ok().flatten();
    (0..headers.count()).filter_map(each).collect()
}
