//! The log on a real Kafka.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_events::{
    Assigned, Body, Bounds, Entry, KafkaLog, Log, LogError, Member, Message, Polled, Retention,
    Topic, Topics,
    kafka::{KafkaLocal, OwnKafka, Settings},
};
use headgate_idempotency::partition_of;
use headgate_types::{Event, Root, SpanId, TraceId, UnixTime};
use rdkafka::{
    ClientConfig, Message as _,
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
async fn an_event_is_read_as_it_was_appended() {
    let Some(kafka) = KafkaLocal::shared() else { return };
    let (log, topic) = (log(kafka.brokers()), name());
    let places = log.append(vec![message(&topic, "a", "k")]).await.unwrap();
    let [place] = places[..] else { panic!("one place") };
    assert_eq!(place.partition, partition_of("k", 8));
    let found = log.read(&topic, place.partition, 0, 10).await.unwrap();
    assert_eq!(found[0].event().unwrap(), event("a", "k"));
    assert_eq!(found[0].key.as_deref(), Some(b"k".as_slice()));
}

#[tokio::test]
async fn a_member_reads_from_where_the_group_has_settled() {
    let Some(kafka) = KafkaLocal::shared() else { return };
    let (log, topic, group) = (log(kafka.brokers()), name(), name());
    let messages: Vec<_> = (0..20).map(|n| message(&topic, &format!("{n:02}"), "k")).collect();
    log.append(messages).await.unwrap();
    let partition = partition_of("k", 8);

    let mut member = log.join(&group, &topic).await.unwrap();
    let found = entries(&mut member, 20).await;
    assert_eq!(ids(&found).len(), 20);
    member.commit(&[(partition, 12)]).await.unwrap();
    member.release(&[]).await.unwrap();
    assert_eq!(log.offsets(&group, &topic).await.unwrap()[partition as usize], Some(12));
    drop(member);

    let mut member = log.join(&group, &topic).await.unwrap();
    let found = entries(&mut member, 8).await;
    assert_eq!(found[0].offset, 12);
    assert_eq!(log.groups(&topic).await.unwrap(), [group]);
}
