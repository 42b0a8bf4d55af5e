//! Topics: made, checked, listed and removed.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    admin::{
        AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
    },
    error::{KafkaError, KafkaResult},
    metadata::{Metadata, MetadataTopic},
    types::RDKafkaErrorCode as Code,
};
use tokio::time::{Instant, sleep};

use super::{Inner, KafkaLog, failure, names};
use crate::{
    error::LogError,
    log::{Bounds, Log as _},
    topic::{Retention, Topic},
};

/// Between two looks at whether a topic that was made has its leaders.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How Kafka's own topics begin.
const INTERNAL: &str = "__";

/// Makes a topic that is named, unless it was seen before.
pub(super) async fn known(log: &KafkaLog, name: &str) -> Result<(), LogError> {
    if log.inner.known.lock().contains(name) {
        return Ok(());
    }
    ensure(log, &log.inner.topics.get(name)).await
}

/// Makes a topic, or checks that it has the partitions that are wanted, and sets its retention.
pub(super) async fn ensure(log: &KafkaLog, topic: &Topic) -> Result<(), LogError> {
    let wanted = topic.partitions;
    if let Some(found) = partitions(log, &topic.name).await? {
        check(topic, found)?;
        retain(&log.inner, topic).await?;
    } else {
        create(&log.inner, topic).await?;
        let until = Instant::now() + log.inner.settings.request_timeout;
        // Made by somebody else at the same time, it may have other partitions.
        while let found = partitions(log, &topic.name).await?
            && found != Some(wanted)
        {
            if Instant::now() > until {
                check(topic, found.unwrap_or_default())?;
            }
            sleep(LOOK_EVERY).await;
        }
    }
    settled(log, &topic.name).await?;
    log.inner.known.lock().insert(Arc::clone(&topic.name));
    Ok(())
}

/// Waits until each partition's leader answers for it, some time after the topic was made.
async fn settled(log: &KafkaLog, name: &str) -> Result<(), LogError> {
    let until = Instant::now() + log.inner.settings.request_timeout;
    while log.bounds(name).await?.is_none() {
        if Instant::now() > until {
            return Err(LogError::Unavailable(format!("the topic {name} does not come up")));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn check(topic: &Topic, found: u32) -> Result<(), LogError> {
    if found == topic.partitions {
        return Ok(());
    }
    let (topic, wanted) = (topic.name.to_string(), topic.partitions);
    Err(LogError::Differs { topic, what: "partitions", wanted, found })
}

/// How many partitions a topic has, once each has a leader. None: there is no such topic.
async fn partitions(log: &KafkaLog, name: &str) -> Result<Option<u32>, LogError> {
    let name = names::kafka(name)?.into_owned();
    log.blocking(move |inner| count(inner, &name)).await
}

/// As [`partitions`], for those who may block.
pub(super) fn count(inner: &Inner, name: &str) -> Result<Option<u32>, LogError> {
    let found = metadata(inner, Some(name))?;
    let Some(topic) = found.topics().iter().find(|topic| topic.name() == name) else {
        return Ok(None);
    };
    if let Some(error) = topic.error() {
        let code = Code::from(error);
        let is_new = matches!(code, Code::LeaderNotAvailable);
        let is_absent = matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic);
        return if is_new || is_absent { Ok(None) } else { Err(failure::of_code(code)) };
    }
    let partitions = topic.partitions();
    if partitions.iter().any(|partition| partition.leader() < 0) {
        return Ok(None);
    }
    Ok(u32::try_from(partitions.len()).ok().filter(|count| *count > 0))
}

fn metadata(inner: &Inner, name: Option<&str>) -> Result<Metadata, LogError> {
    let client = inner.admin.inner();
    client.fetch_metadata(name, inner.settings.request_timeout).map_err(|error| failure::of(&error))
}

async fn create(inner: &Inner, topic: &Topic) -> Result<(), LogError> {
    let invalid = || LogError::Invalid(format!("the topic {} has too many parts", topic.name));
    let partitions = i32::try_from(topic.partitions).map_err(|_| invalid())?;
    // Kafka takes -1 for the broker's own default.
    let replicas = topic.replication.map_or(-1, i32::from);
    let [age, bytes] = retention(topic.retention);
    let name = names::kafka(&topic.name)?;
    let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(replicas))
        .set(AGE, &age)
        .set(BYTES, &bytes)
        // An event's time is its producer's, whose clock may be wrong.
        .set("message.timestamp.after.max.ms", FOREVER)
        .set("cleanup.policy", "delete");
    let made = inner.admin.create_topics([&new], &options(inner)).await;
    match one(made)? {
        Ok(_) | Err((_, Code::TopicAlreadyExists)) => Ok(()),
        Err((_, code)) => Err(failure::of_code(code)),
    }
}

const AGE: &str = "retention.ms";
const BYTES: &str = "retention.bytes";
/// The longest time that Kafka knows, in milliseconds.
const FOREVER: &str = "9223372036854775807";

/// Age and bytes, as Kafka writes them: -1 keeps everything.
fn retention(retention: Retention) -> [String; 2] {
    let forever = || "-1".to_owned();
    let age = retention.age.map_or_else(forever, |age| age.as_millis().to_string());
    let bytes = retention.bytes.map_or_else(forever, |bytes| bytes.as_bytes().to_string());
    [age, bytes]
}

/// Sets what a topic keeps, unless it is set. Whatever else was set for the topic stays as it is:
/// Kafka takes a topic's settings only all together.
async fn retain(inner: &Inner, topic: &Topic) -> Result<(), LogError> {
    let name = names::kafka(&topic.name)?;
    let resource = ResourceSpecifier::Topic(&name);
    let found = inner.admin.describe_configs([&resource], &options(inner)).await;
    let found = one(found)?.map_err(failure::of_code)?;
    let [age, bytes] = retention(topic.retention);
    let is_set = |name: &str, wanted: &str| {
        found.get(name).and_then(|entry| entry.value.as_deref()) == Some(wanted)
    };
    if is_set(AGE, &age) && is_set(BYTES, &bytes) {
        return Ok(());
    }
    let mut all = AlterConfig::new(resource).set(AGE, &age).set(BYTES, &bytes);
    for entry in &found.entries {
        let is_other = ![AGE, BYTES].contains(&entry.name.as_str());
        if let Some(value) = &entry.value
            && entry.source == ConfigSource::DynamicTopic
            && is_other
        {
            all = all.set(&entry.name, value);
        }
    }
    let altered = inner.admin.alter_configs([&all], &options(inner)).await;
    one(altered)?.map(|_| ()).map_err(|(_, code)| failure::of_code(code))
}

/// Where each partition begins and ends. None: there is no such topic.
pub(super) fn bounds(inner: &Inner, name: &str) -> Result<Option<Vec<Bounds>>, LogError> {
    let Some(partitions) = count(inner, name)? else { return Ok(None) };
    let found: KafkaResult<Vec<_>> =
        (0..partitions).map(|partition| bounds_of(inner, name, partition)).collect();
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if failure::is_absent(&error) => Ok(None),
        Err(error) => Err(failure::of(&error)),
    }
}

/// Where a partition begins and ends.
pub(super) fn bounds_of(inner: &Inner, name: &str, partition: u32) -> KafkaResult<Bounds> {
    let partition =
        i32::try_from(partition).map_err(|_| KafkaError::MetadataFetch(Code::UnknownPartition))?;
    let client = inner.admin.inner();
    let until = Instant::now() + inner.settings.request_timeout;
    let (first, next) = loop {
        match client.fetch_watermarks(name, partition, inner.settings.request_timeout) {
            // A partition's leader may have just been chosen, or moved.
            Err(error) if is_moving(&error) && Instant::now() < until => {
                std::thread::sleep(LOOK_EVERY);
            }
            answered => break answered?,
        }
    };
    let offset = |offset: i64| u64::try_from(offset).unwrap_or_default();
    Ok(Bounds { first: offset(first), next: offset(next) })
}

fn is_moving(error: &KafkaError) -> bool {
    let moving = [
        Code::FencedLeaderEpoch,
        Code::LeaderNotAvailable,
        Code::NotLeaderForPartition,
        Code::UnknownLeaderEpoch,
    ];
    error.rdkafka_error_code().is_some_and(|code| moving.contains(&code))
}

/// The names of all topics but Kafka's own, in order.
pub(super) fn names(inner: &Inner) -> Result<Vec<String>, LogError> {
    let found = metadata(inner, None)?;
    let all = found.topics().iter().map(MetadataTopic::name);
    let mut names: Vec<_> =
        all.filter(|name| !name.starts_with(INTERNAL)).map(names::ours).collect();
    names.sort_unstable();
    Ok(names)
}

/// Removes a topic, and waits until nobody finds it any more.
pub(super) async fn delete(log: &KafkaLog, name: &str) -> Result<(), LogError> {
    log.inner.known.lock().remove(name);
    let kafka = names::kafka(name)?;
    let gone = log.inner.admin.delete_topics(&[&kafka], &options(&log.inner)).await;
    match one(gone)? {
        Ok(_) | Err((_, Code::UnknownTopicOrPartition)) => {}
        Err((_, code)) => return Err(failure::of_code(code)),
    }
    let until = Instant::now() + log.inner.settings.request_timeout;
    while partitions(log, name).await?.is_some() && Instant::now() < until {
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn options(inner: &Inner) -> AdminOptions {
    let timeout = Some(inner.settings.request_timeout);
    AdminOptions::new().request_timeout(timeout).operation_timeout(timeout)
}

/// The answer about the one thing that was asked about.
fn one<T>(answers: KafkaResult<Vec<T>>) -> Result<T, LogError> {
    let answers = answers.map_err(|error| failure::of(&error))?;
    let missing = || LogError::Unavailable("the broker's answer is empty".to_owned());
    answers.into_iter().next().ok_or_else(missing)
}
