//! Offsets of groups, seen and set from outside.

use std::{thread, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer},
    types::RDKafkaErrorCode as Code,
};
use tokio::time::Instant;

use super::{Inner, client, failure, topics};
use crate::error::LogError;

/// How long a member may take to leave its group.
const LEAVING: Duration = Duration::from_secs(3);
/// Between two looks at whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The offsets that a group has committed, by partition.
pub(super) fn offsets(
    inner: &Inner,
    group: &str,
    topic: &str,
) -> Result<Vec<Option<u64>>, LogError> {
    let partitions = topics::count(inner, topic)?.unwrap_or_default();
    if partitions == 0 {
        return Ok(Vec::new());
    }
    let outsider = client::outsider(&inner.settings, group)?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic, 0, i32::try_from(partitions - 1).unwrap_or(i32::MAX));
    let found = outsider.committed_offsets(asked, inner.settings.request_timeout);
    let found = found.map_err(|error| failure::of(&error))?;
    let each = found.elements();
    Ok(each.iter().map(|element| committed(element.offset())).collect())
}

/// An offset that was committed. None: there was none.
pub(super) fn committed(offset: Offset) -> Option<u64> {
    match offset {
        Offset::Offset(offset) => u64::try_from(offset).ok(),
        _ => None,
    }
}

/// The groups that have committed an offset of a topic, in order. One request for each group that
/// the cluster has.
pub(super) fn of(inner: &Inner, topic: &str) -> Result<Vec<String>, LogError> {
    let client = inner.admin.inner();
    let all = client.fetch_group_list(None, inner.settings.request_timeout);
    let all = all.map_err(|error| failure::of(&error))?;
    let mut groups = Vec::new();
    for group in all.groups() {
        if offsets(inner, group.name(), topic)?.iter().any(Option::is_some) {
            groups.push(group.name().to_owned());
        }
    }
    groups.sort_unstable();
    Ok(groups)
}

/// Sets a group's offset, backward too.
pub(super) fn reset(
    inner: &Inner,
    group: &str,
    (topic, partition): (&str, u32),
    offset: u64,
) -> Result<(), LogError> {
    let outsider = client::outsider(&inner.settings, group)?;
    let mut list = TopicPartitionList::new();
    let partition = i32::try_from(partition).unwrap_or(i32::MAX);
    let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    list.add_partition_offset(topic, partition, offset).map_err(|error| failure::of(&error))?;
    let until = Instant::now() + LEAVING;
    loop {
        let Err(error) = outsider.commit(&list, CommitMode::Sync) else { return Ok(()) };
        match error.rdkafka_error_code() {
            // Only members may commit while there are any, and one that was dropped may be leaving.
            Some(Code::UnknownMemberId | Code::IllegalGeneration | Code::NonEmptyGroup) => {
                if Instant::now() >= until {
                    return Err(LogError::Invalid(format!("the group {group} has members")));
                }
                thread::sleep(LOOK_EVERY);
            }
            _ => return Err(failure::of(&error)),
        }
    }
}
