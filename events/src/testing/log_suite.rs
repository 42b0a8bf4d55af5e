//! Facts that hold on every log.

mod follower;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_idempotency::{OsRandom, Random, partition_of};
use headgate_types::{Event, Root, SpanId, TraceId, UnixTime};
use tokio::time::timeout;

use crate::{Assigned, Body, Bounds, Entry, Log, LogError, Member, Message, Polled, Topic, Topics};

/// How long anything that should happen may take; a group of a real broker forms in seconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// 2030-01-01T00:00:00Z: later than now, so that no retention by age takes it.
const TIME: UnixTime = UnixTime::from_secs(1_893_456_000);
const PARTITIONS: u32 = 4;

/// A log under test, with topics of its own, so that a broker can be used again.
struct Subject {
    log: Arc<dyn Log>,
    topic: Topic,
    topics: Topics,
}

/// Checks every fact.
///
/// # Panics
///
/// When a fact does not hold; the message names it.
pub async fn log_suite(log: Arc<dyn Log>) {
    topic_is_made_once_and_keeps_its_partitions(&log).await;
    what_is_appended_is_read_in_order(&log).await;
    places_stand_in_the_order_of_the_messages(&log).await;
    event_comes_back_as_it_was(&log).await;
    message_that_is_no_event_comes_back_byte_for_byte(&log).await;
    reading_begins_at_the_first_that_is_kept_and_ends_at_the_end(&log).await;
    what_no_log_accepts_is_refused(&log).await;
    member_is_given_every_partition_and_every_entry_in_order(&log).await;
    member_waits_for_what_is_appended_later(&log).await;
    follower::is_given_what_stands_and_what_comes(&log).await;
    wait_that_is_given_up_takes_nothing_with_it(&log).await;
    next_member_goes_on_at_the_committed_offset(&log).await;
    lower_offset_changes_nothing(&log).await;
    paused_partition_gives_nothing_until_it_is_resumed(&log).await;
    groups_do_not_know_of_each_other(&log).await;
    offset_can_be_set_backward(&log).await;
    deleted_topic_is_gone(&log).await;
}

fn subject(log: &Arc<dyn Log>) -> Subject {
    let topic =
        Topic { partitions: PARTITIONS, ..Topic::new(&format!("suite-{:016x}", OsRandom.bits())) };
    Subject { log: Arc::clone(log), topics: Topics::new([topic.clone()]), topic }
}

async fn made(log: &Arc<dyn Log>) -> Subject {
    let subject = subject(log);
    subject.log.ensure(std::slice::from_ref(&subject.topic)).await.expect("a topic is made");
    subject
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("it takes too long: {what}"))
}

fn event(key: &str, number: u64) -> Event {
    let root = Root {
        id: format!("{key}-{number}").into(),
        source: "/hg/suite".into(),
        kind: "suite.happened.v1".into(),
        partition_key: key.into(),
        time: TIME,
        trace_id: TraceId::from_bytes([7; 16]).expect("it is not zero"),
        span_id: SpanId::from_bytes([9; 8]).expect("it is not zero"),
    };
    Event::root(root, Bytes::from(number.to_string()))
}

impl Subject {
    fn message(&self, event: Event) -> Message {
        Message::event(&self.topics, &self.topic.name, event)
    }

    async fn append(&self, events: impl IntoIterator<Item = Event>) {
        let messages = events.into_iter().map(|event| self.message(event)).collect();
        self.log.append(messages).await.expect("events are appended");
    }

    async fn read(&self, partition: u32, from: u64) -> Vec<Entry> {
        let read = self.log.read(&self.topic.name, partition, from, 1_000);
        read.await.expect("the log is read")
    }

    async fn join(&self, group: &str) -> Box<dyn Member> {
        let group = format!("{}-{group}", self.topic.name);
        self.log.join(&group, &self.topic.name).await.expect("the group is joined")
    }

    async fn offsets(&self, group: &str) -> Vec<Option<u64>> {
        let group = format!("{}-{group}", self.topic.name);
        self.log.offsets(&group, &self.topic.name).await.expect("the log tells offsets")
    }

    /// Reads as a member until so many entries have come.
    async fn gather(&self, member: &mut dyn Member, entries: usize) -> BTreeMap<u32, Vec<Entry>> {
        let mut given: BTreeMap<u32, Vec<Entry>> = BTreeMap::new();
        while given.values().map(Vec::len).sum::<usize>() < entries {
            match soon("entries come", member.next()).await.expect("the log answers") {
                Polled::Entries { partition, entries } => {
                    given.entry(partition).or_default().extend(entries);
                }
                Polled::Assigned(_) => {}
                other => panic!("nobody else is in the group, but: {other:?}"),
            }
        }
        given
    }

    fn partition(&self, key: &str) -> u32 {
        partition_of(key, self.topic.partitions)
    }
}

fn ids(entries: &[Entry]) -> Vec<String> {
    let id = |entry: &Entry| entry.event().expect("the entry is an event").id.to_string();
    entries.iter().map(id).collect()
}

async fn assigned(member: &mut dyn Member) -> Vec<Assigned> {
    let mut all = Vec::new();
    while all.len() < PARTITIONS as usize {
        match soon("partitions are assigned", member.next()).await.expect("the log answers") {
            Polled::Assigned(assigned) => all.extend(assigned),
            other => panic!("partitions come first, but: {other:?}"),
        }
    }
    all.sort_by_key(|it| it.partition);
    all
}

async fn topic_is_made_once_and_keeps_its_partitions(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let wanted = subject.topic.clone();
    subject.log.ensure(std::slice::from_ref(&wanted)).await.expect("it is as it is wanted");
    let bounds = subject.log.bounds(&wanted.name).await.expect("the log tells bounds");
    assert_eq!(bounds, Some(vec![Bounds::default(); PARTITIONS as usize]), "it is empty");
    let names = subject.log.topics().await.expect("the log tells topics");
    assert!(names.iter().any(|name| *name == *wanted.name), "its name is told");

    let other = Topic { partitions: PARTITIONS + 1, ..wanted };
    let differs = subject.log.ensure(&[other]).await.expect_err("partitions never change");
    assert!(
        matches!(differs, LogError::Differs { wanted: 5, found: 4, .. }),
        "it says how it differs: {differs:?}"
    );
}

async fn what_is_appended_is_read_in_order(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    subject.append((0..20).map(|number| event("a", number))).await;
    let entries = subject.read(subject.partition("a"), 0).await;
    let expected: Vec<_> = (0..20).map(|number| format!("a-{number}")).collect();
    assert_eq!(ids(&entries), expected, "a partition is read in the order of its appends");
    assert!(entries.is_sorted_by(|a, b| a.offset < b.offset), "offsets rise");
}

async fn places_stand_in_the_order_of_the_messages(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let messages: Vec<_> =
        (0..300).map(|number| subject.message(event(&format!("k{number}"), number))).collect();
    let partitions: Vec<_> = messages.iter().map(|message| message.partition).collect();
    let places = subject.log.append(messages).await.expect("events are appended");
    let told: Vec<_> = places.iter().map(|place| place.partition).collect();
    assert_eq!(told, partitions, "a place for each message");
    for (number, place) in places.iter().enumerate().step_by(37) {
        let entries = subject.read(place.partition, place.offset).await;
        assert_eq!(ids(&entries[..1]), [format!("k{number}-{number}")], "it stands at its place");
    }
}

async fn event_comes_back_as_it_was(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let event = Event {
        subject: Some("a subject with é and \"".into()),
        causation_id: Some("cause".into()),
        key: Some("key".into()),
        expires_at: Some(TIME),
        owner: Some("accounts/k7".into()),
        probe: Some("order".into()),
        ..event("a b", 7)
    };
    subject.append([event.clone()]).await;
    let entries = subject.read(subject.partition("a b"), 0).await;
    assert_eq!(entries[0].event().expect("it is an event"), event);
}

async fn message_that_is_no_event_comes_back_byte_for_byte(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let value = Bytes::from_static(b"{\"reason\":\"\\u0000\"}\xff");
    let body = Body::Other { key: Some("k".into()), value: value.clone() };
    let topic = Arc::clone(&subject.topic.name);
    let message = Message { topic, partition: 2, time: TIME, body };
    subject.log.append(vec![message]).await.expect("it is appended");
    let entries = subject.read(2, 0).await;
    assert_eq!(entries[0].value, value);
    assert!(entries[0].event().is_err(), "it is no event");
    assert_eq!(entries[0].time, TIME, "it has the time that it was given");
}

async fn reading_begins_at_the_first_that_is_kept_and_ends_at_the_end(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let partition = subject.partition("a");
    assert!(subject.read(partition, 0).await.is_empty(), "nothing is there yet");
    subject.append((0..3).map(|number| event("a", number))).await;
    let entries = subject.read(partition, 2).await;
    assert_eq!(ids(&entries), ["a-2"]);
    assert!(subject.read(partition, 3).await.is_empty(), "the end is no error");
    let few = subject.log.read(&subject.topic.name, partition, 0, 2).await;
    assert_eq!(ids(&few.expect("the log is read")), ["a-0", "a-1"], "no more than are wanted");
    let bounds = subject.log.bounds(&subject.topic.name).await.expect("the log tells bounds");
    let bounds = bounds.expect("the topic is there")[partition as usize];
    assert_eq!(bounds, Bounds { first: 0, next: 3 });
    let nowhere = subject.log.read("suite-nowhere", 0, 0, 1).await;
    assert_eq!(nowhere.expect("no topic is no error"), []);
    let nowhere = subject.log.bounds("suite-nowhere").await;
    assert_eq!(nowhere.expect("no topic is no error"), None);
}

async fn what_no_log_accepts_is_refused(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let keyless = Event { partition_key: "".into(), ..event("a", 1) };
    let large = Event { data: Bytes::from(vec![b'1'; 70_000]), ..event("a", 2) };
    for invalid in [keyless, large] {
        let refused = subject.log.append(vec![subject.message(invalid)]).await;
        let error = refused.expect_err("no log accepts it");
        assert!(matches!(error, LogError::Invalid(_)), "{error:?}");
    }
    let bounds = subject.log.bounds(&subject.topic.name).await.expect("the log tells bounds");
    assert_eq!(bounds, Some(vec![Bounds::default(); PARTITIONS as usize]), "nothing is there");
}

async fn member_is_given_every_partition_and_every_entry_in_order(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let keys: Vec<_> = (0..40).map(|key| format!("k{key}")).collect();
    for number in 0..5 {
        subject.append(keys.iter().map(|key| event(key, number))).await;
    }
    let mut member = subject.join("g").await;
    let partitions = assigned(&mut *member).await;
    let expected: Vec<_> =
        (0..PARTITIONS).map(|partition| Assigned { partition, from: 0 }).collect();
    assert_eq!(partitions, expected, "it is alone, and nothing is settled");
    let given = subject.gather(&mut *member, 200).await;
    for (partition, entries) in &given {
        let all = subject.read(*partition, 0).await;
        assert_eq!(ids(entries), ids(&all), "each partition in its order, nothing twice");
    }
}

async fn member_waits_for_what_is_appended_later(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let mut member = subject.join("g").await;
    assigned(&mut *member).await;
    let wait = timeout(Duration::from_millis(100), member.next()).await;
    assert!(wait.is_err(), "nothing is there, but it was given {wait:?}");
    subject.append([event("a", 1)]).await;
    let given = subject.gather(&mut *member, 1).await;
    assert_eq!(ids(&given[&subject.partition("a")]), ["a-1"]);
}

async fn wait_that_is_given_up_takes_nothing_with_it(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let mut member = subject.join("g").await;
    let mut numbers = Vec::new();
    subject.append((0..50).map(|number| event("a", number))).await;
    let all = async {
        while numbers.len() < 50 {
            // Given up as soon as it has been asked, over and over.
            let polled = timeout(Duration::from_micros(200), member.next()).await;
            if let Ok(Ok(Polled::Entries { entries, .. })) = polled {
                numbers.extend(ids(&entries));
            }
            tokio::task::yield_now().await;
        }
    };
    soon("all entries come", all).await;
    let expected: Vec<_> = (0..50).map(|number| format!("a-{number}")).collect();
    assert_eq!(numbers, expected, "nothing is lost and nothing comes twice");
}

async fn next_member_goes_on_at_the_committed_offset(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let partition = subject.partition("a");
    subject.append((0..10).map(|number| event("a", number))).await;
    let mut member = subject.join("g").await;
    assert_eq!(subject.offsets("g").await, [None; 4], "nothing is committed");
    subject.gather(&mut *member, 10).await;
    member.commit(&[(partition, 6)]).await.expect("offsets are committed");
    member.release(&[]).await.expect("what was committed is durable");
    drop(member);
    assert_eq!(subject.offsets("g").await[partition as usize], Some(6));

    let mut next = subject.join("g").await;
    let from = assigned(&mut *next).await[partition as usize].from;
    assert_eq!(from, 6, "everything below it is settled");
    let given = subject.gather(&mut *next, 4).await;
    assert_eq!(ids(&given[&partition]), ["a-6", "a-7", "a-8", "a-9"]);
    let group = format!("{}-g", subject.topic.name);
    let groups = subject.log.groups(&subject.topic.name).await.expect("the log tells groups");
    assert_eq!(groups, [group]);
}

async fn lower_offset_changes_nothing(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let partition = subject.partition("a");
    subject.append((0..5).map(|number| event("a", number))).await;
    let mut member = subject.join("g").await;
    subject.gather(&mut *member, 5).await;
    for offset in [4, 2] {
        member.commit(&[(partition, offset)]).await.expect("offsets are committed");
        member.release(&[]).await.expect("what was committed is durable");
    }
    drop(member);
    assert_eq!(subject.offsets("g").await[partition as usize], Some(4));
}

async fn paused_partition_gives_nothing_until_it_is_resumed(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    // Two keys of two partitions.
    let keys: Vec<_> = (0..40).map(|key| format!("k{key}")).collect();
    let paused = subject.partition(&keys[0]);
    let other = keys.iter().find(|key| subject.partition(key) != paused).expect("40 keys do");
    let mut member = subject.join("g").await;
    assigned(&mut *member).await;
    member.pause(paused);
    subject.append([event(&keys[0], 1), event(other, 2)]).await;
    let given = subject.gather(&mut *member, 1).await;
    assert!(!given.contains_key(&paused), "the other one goes on");
    let wait = timeout(Duration::from_millis(100), member.next()).await;
    assert!(wait.is_err(), "it is paused, but it was given {wait:?}");
    member.resume(paused);
    let given = subject.gather(&mut *member, 1).await;
    assert_eq!(ids(&given[&paused]), [format!("{}-1", keys[0])]);
}

async fn groups_do_not_know_of_each_other(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    subject.append((0..3).map(|number| event("a", number))).await;
    for group in ["one", "two"] {
        let mut member = subject.join(group).await;
        let given = subject.gather(&mut *member, 3).await;
        assert_eq!(given.values().map(Vec::len).sum::<usize>(), 3, "each is given everything");
    }
}

async fn offset_can_be_set_backward(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    let partition = subject.partition("a");
    subject.append((0..3).map(|number| event("a", number))).await;
    let mut member = subject.join("g").await;
    subject.gather(&mut *member, 3).await;
    member.commit(&[(partition, 3)]).await.expect("offsets are committed");
    member.release(&[]).await.expect("what was committed is durable");
    drop(member);
    let group = format!("{}-g", subject.topic.name);
    subject.log.reset(&group, &subject.topic.name, partition, 1).await.expect("it is set");
    let mut next = subject.join("g").await;
    let given = subject.gather(&mut *next, 2).await;
    assert_eq!(ids(&given[&partition]), ["a-1", "a-2"]);
}

async fn deleted_topic_is_gone(log: &Arc<dyn Log>) {
    let subject = made(log).await;
    subject.append([event("a", 1)]).await;
    subject.log.delete(&subject.topic.name).await.expect("it is deleted");
    let is_gone = async {
        // A broker deletes a topic some time after it has said so.
        while subject.log.bounds(&subject.topic.name).await.expect("the log answers").is_some() {
            tokio::task::yield_now().await;
        }
    };
    soon("the topic is gone", is_gone).await;
}
