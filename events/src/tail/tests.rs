use headgate_types::UnixTime;

use super::*;
use crate::{Body, Message, testing::Broker};

const TOPIC: &str = "hg.series";

async fn append(broker: &Broker, values: std::ops::Range<usize>) {
    let message = |value: usize| Message {
        topic: TOPIC.into(),
        partition: 0,
        time: UnixTime::from_secs(1),
        body: Body::Other { key: None, value: value.to_string().into() },
    };
    broker.append(values.map(message).collect()).await.unwrap();
}

async fn opened(broker: &Broker, from: u64) -> Tail {
    Tail::open(Arc::new(broker.clone()), Topic::new(TOPIC), from).await.unwrap()
}

/// The values up to the end as it was, and where that is.
async fn values(tail: &mut Tail) -> (Vec<usize>, u64) {
    let mut all = Vec::new();
    loop {
        match tail.next().await.unwrap() {
            Tailed::Entries(entries) => all.extend(entries.iter().map(value)),
            Tailed::CaughtUp(next) => return (all, next),
        }
    }
}

fn value(entry: &Entry) -> usize {
    std::str::from_utf8(&entry.value).unwrap().parse().unwrap()
}

#[tokio::test]
async fn all_that_stands_there_is_read_before_the_end_is_told() {
    let broker = Broker::new();
    let count = 2 * ENTRIES_MAX + 3;
    assert_eq!(values(&mut opened(&broker, 0).await).await, (Vec::new(), 0), "it makes the topic");
    append(&broker, 0..count).await;

    let (all, next) = values(&mut opened(&broker, 0).await).await;

    assert_eq!(all, (0..count).collect::<Vec<_>>());
    assert_eq!(next, count as u64);
    let (some, _) = values(&mut opened(&broker, 5).await).await;
    assert_eq!(some, (5..count).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_comes_follows() {
    let broker = Broker::new();
    let mut tail = opened(&broker, 0).await;
    append(&broker, 0..2).await;
    assert_eq!(values(&mut tail).await, (Vec::new(), 0), "the end is as it was when it was opened");

    let Tailed::Entries(entries) = tail.next().await.unwrap() else { panic!("the end twice") };

    assert_eq!(value(&entries[0]), 0);
}
