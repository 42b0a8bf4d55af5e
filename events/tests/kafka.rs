//! The log on a real Kafka.

#![expect(clippy::unwrap_used, reason = "helpers of a test are tests too")]

use std::{env, process::Command, sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_events::{
    Assigned, Entry, KafkaLog, Log, LogError, Member, Message, Polled, Retention, Topic, Topics,
    kafka::{KafkaLocal, OwnKafka, Settings},
    testing::log_suite,
};
use headgate_idempotency::partition_of;
use headgate_types::{Class, Event, Root, SpanId, TraceId, UnixTime};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use tokio::time::timeout;

/// How long anything may take on a machine under load; the first group on a new broker takes
/// seconds.
const SOON: Duration = Duration::from_secs(30);

fn name() -> String {
    format!("t{:016x}", fastrand::u64(..))
}

fn log(brokers: &str) -> KafkaLog {
    let settings = Settings { session_timeout: Duration::from_secs(6), ..Settings::new(brokers) };
    KafkaLog::new(settings, Topics::default()).unwrap()
}

fn event(id: &str, key: &str) -> Event {
    let root = Root {
        id: id.into(),
        source: "/tests".into(),
        kind: "order.placed.v1".into(),
        partition_key: key.into(),
        time: UnixTime::from_secs(1_700_000_000),
        trace_id: TraceId::from_bytes([7; 16]).unwrap(),
        span_id: SpanId::from_bytes([7; 8]).unwrap(),
    };
    Event::root(root, Bytes::from(format!("{{\"id\":\"{id}\"}}")))
}

fn message(topic: &str, id: &str, key: &str) -> Message {
    Message::event(&Topics::default(), topic, event(id, key))
}

async fn next(member: &mut Box<dyn Member>) -> Polled {
    timeout(SOON, member.next()).await.expect("something comes").unwrap()
}

/// So many entries, whatever else comes.
async fn entries(member: &mut Box<dyn Member>, count: usize) -> Vec<Entry> {
    let mut found = Vec::new();
    while found.len() < count {
        match next(member).await {
            Polled::Entries { entries, .. } => found.extend(entries),
            Polled::Revoked(partitions) => member.release(&partitions).await.unwrap(),
            Polled::Assigned(_) | Polled::Lost(_) => {}
        }
    }
    found
}

fn ids(entries: &[Entry]) -> Vec<String> {
    let mut ids: Vec<_> =
        entries.iter().map(|entry| entry.event().unwrap().id.to_string()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn the_facts_of_every_log_hold() {
    let Some(kafka) = KafkaLocal::shared() else { return };
    log_suite(Arc::new(log(kafka.brokers()))).await;
}

/// A producer of somebody else's, with the partitioner of Java's clients.
fn foreign(brokers: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("partitioner", "murmur2_random");
    config.create().unwrap()
}

#[tokio::test]
async fn what_others_write_is_read_byte_for_byte_and_keeps_its_partition() {
    let Some(kafka) = KafkaLocal::shared() else { return };
    let (log, topic) = (log(kafka.brokers()), name());
    log.ensure(&[Topic::new(&topic)]).await.unwrap();
    let producer = foreign(kafka.brokers());
    let value: Vec<u8> = (0..=255).collect();
    let headers = OwnedHeaders::new().insert(Header { key: "ce_id", value: Some(b"\xff\x00") });
    for key in ["a", "order-1", "größe"] {
        let record = BaseRecord::to(&topic).key(key).payload(&value).headers(headers.clone());
        producer.send(record).unwrap();
    }
    tokio::task::spawn_blocking(move || producer.flush(SOON).unwrap()).await.unwrap();
    for key in ["a", "order-1", "größe"] {
        let found = log.read(&topic, partition_of(key, 8), 0, 10).await.unwrap();
        let entry = found.iter().find(|entry| entry.key.as_deref() == Some(key.as_bytes()));
        let entry = entry.expect("the key is where the embedded log would have it");
        assert_eq!(entry.value, value);
        assert_eq!(entry.headers, [("ce_id".to_owned(), Bytes::from_static(b"\xff\x00"))]);
        assert!(entry.event().is_err());
    }
}

#[tokio::test]
async fn a_partition_moves_only_once_it_is_released() {
    let Some(kafka) = KafkaLocal::shared() else { return };
    let (log, topic, group) = (log(kafka.brokers()), name(), name());
    let mut first = log.join(&group, &topic).await.unwrap();
    let Polled::Assigned(all) = next(&mut first).await else { panic!("it is alone") };
    assert_eq!(all.len(), 8);
    let mut second = log.join(&group, &topic).await.unwrap();
    let Polled::Revoked(leaving) = next(&mut first).await else { panic!("it has to share") };
    assert_eq!(leaving.len(), 4);

    let messages = (0..80).map(|n| message(&topic, &format!("{n}"), &format!("k{n}")));
    log.append(messages.collect()).await.unwrap();
    // While the first one settles what runs, the second one gets nothing of it.
    let early = timeout(Duration::from_secs(1), second.next()).await;
    assert!(early.is_err(), "{early:?}");
    first.commit(&leaving.iter().map(|at| (*at, 1)).collect::<Vec<_>>()).await.unwrap();
    first.release(&leaving).await.unwrap();

    let polled = next(&mut second).await;
    let Polled::Assigned(mut given) = polled else { panic!("{polled:?} comes first") };
    given.sort_unstable_by_key(|assigned| assigned.partition);
    let wanted: Vec<_> =
        leaving.iter().map(|partition| Assigned { partition: *partition, from: 1 }).collect();
    assert_eq!(given, wanted, "it goes on behind what was settled");
}

#[tokio::test]
async fn a_broker_that_dies_is_waited_for() {
    if KafkaLocal::is_left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = OwnKafka::start(folder.path()).expect("it is not left out");
    let (log, topic, group) = (log(kafka.brokers()), name(), name());
    log.append(vec![message(&topic, "0", "k")]).await.unwrap();
    let mut member = log.join(&group, &topic).await.unwrap();
    assert_eq!(entries(&mut member, 1).await.len(), 1);
    member.commit(&[(partition_of("k", 8), 1)]).await.unwrap();
    member.release(&[]).await.unwrap();

    kafka.kill();
    let append = tokio::spawn({
        let (log, topic) = (log.clone(), topic.clone());
        async move { log.append(vec![message(&topic, "1", "k")]).await }
    });
    let kafka = tokio::task::spawn_blocking(move || {
        kafka.restart();
        kafka
    });
    let _kafka = kafka.await.unwrap();
    append.await.unwrap().expect("it is tried again until the broker is back");
    assert_eq!(ids(&entries(&mut member, 1).await), ["1"]);
}

#[tokio::test]
async fn a_topic_keeps_what_others_have_set_for_it() {
    let Some(kafka) = KafkaLocal::shared() else { return };
    let (log, name) = (log(kafka.brokers()), name());
    let topic = Topic::new(&name);
    log.ensure(std::slice::from_ref(&topic)).await.unwrap();
    let mut config = ClientConfig::new();
    let admin: AdminClient<DefaultClientContext> =
        config.set("bootstrap.servers", kafka.brokers()).create().unwrap();
    let resource = ResourceSpecifier::Topic(&name);
    let altered = AlterConfig::new(resource).set("max.message.bytes", "70000");
    admin.alter_configs([&altered], &AdminOptions::new()).await.unwrap();
    until_set(&admin, &name, &[("max.message.bytes", "70000")]).await;

    let age = Some(Duration::from_hours(1));
    let topic = Topic { retention: Retention { age, bytes: None }, ..topic };
    log.ensure(&[topic]).await.unwrap();
    let both = [("retention.ms", "3600000"), ("max.message.bytes", "70000")];
    until_set(&admin, &name, &both).await;
}

/// A broker shows a topic's settings some time after it has taken them.
async fn until_set(
    admin: &AdminClient<DefaultClientContext>,
    topic: &str,
    wanted: &[(&str, &str)],
) {
    let set = async {
        loop {
            let resource = ResourceSpecifier::Topic(topic);
            let found = admin.describe_configs([&resource], &AdminOptions::new()).await.unwrap();
            let found = found.into_iter().next().unwrap().unwrap();
            let value = |name| found.get(name).and_then(|entry| entry.value.as_deref());
            if wanted.iter().all(|(name, wanted)| value(name) == Some(*wanted)) {
                return;
            }
        }
    };
    timeout(SOON, set).await.expect("the settings are taken");
}

#[tokio::test]
async fn a_topic_with_other_partitions_is_refused() {
    let Some(kafka) = KafkaLocal::shared() else { return };
    let (log, name) = (log(kafka.brokers()), format!("{}@1", name()));
    log.ensure(&[Topic { partitions: 3, ..Topic::new(&name) }]).await.unwrap();
    let error = log.ensure(&[Topic::new(&name)]).await.unwrap_err();
    let LogError::Differs { wanted: 8, found: 3, .. } = error else { panic!("{error:?}") };
    assert!(log.topics().await.unwrap().contains(&name), "by its own name");
}

/// A consumer of other libraries, which knows events by the `CloudEvents` project's own reader:
/// prints the first one as JSON.
const READER: &str = r#"
import json, sys
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from confluent_kafka import Consumer
consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": sys.argv[2], "auto.offset.reset": "earliest"})
consumer.subscribe([sys.argv[2]])
message = consumer.poll(30)
read = from_kafka_event(KafkaMessage(dict(message.headers()), message.key(), message.value()))
print(json.dumps({"attributes": read.get_attributes(), "data": read.get_data()}, default=str))
"#;

/// The Python that has `cloudevents` and `confluent_kafka`.
const PYTHON: &str = "HEADGATE_PYTHON";

#[tokio::test]
#[expect(clippy::print_stderr, reason = "the test runner shows it")]
async fn a_reader_of_another_library_finds_what_was_written() {
    let Some(kafka) = KafkaLocal::shared() else { return };
    let Ok(python) = env::var(PYTHON) else {
        eprintln!("left out: {PYTHON} names no Python with cloudevents and confluent_kafka");
        return;
    };
    let (log, topic) = (log(kafka.brokers()), name());
    let parent = event("p", "k");
    let mut wanted = event("a", "k");
    wanted.causation_id = Some(parent.id);
    wanted.subject = Some("orders/größe 1".into());
    wanted.priority = Class::Critical;
    log.append(vec![Message::event(&Topics::default(), &topic, wanted.clone())]).await.unwrap();
    let mut reader = Command::new(python);
    reader.args(["-c", READER, kafka.brokers(), &topic]);
    let output = tokio::task::spawn_blocking(move || reader.output()).await.unwrap().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&printed);
    assert_eq!(found["data"], serde_json::json!({ "id": "a" }));
    let attributes = &found["attributes"];
    let trace = wanted.trace_id.to_string();
    for (name, value) in [
        ("specversion", "1.0"),
        ("id", "a"),
        ("source", "/tests"),
        ("type", "order.placed.v1"),
        ("subject", "orders/größe 1"),
        ("time", "2023-11-14 22:13:20+00:00"),
        ("partitionkey", "k"),
        ("correlationid", &trace),
        ("causationid", "p"),
        ("hgprio", "0"),
        ("datacontenttype", "application/json"),
    ] {
        assert_eq!(attributes[name], value, "{name} in {found}");
    }
}
