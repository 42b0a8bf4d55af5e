//! Reads a topic as it grows, without a group: a thread that polls a reader of its own.

use std::{fmt, thread, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use tokio::sync::mpsc;

use super::{Inner, client, client::Quiet, failure, read, topics};
use crate::{
    error::LogError,
    log::{Answer, ENTRIES_MAX, Entry, Follower},
};

/// The longest wait of one poll: within it a follower that was dropped is noticed.
const POLL_EVERY: Duration = Duration::from_millis(100);
/// What may wait to be taken; beyond that nothing is polled.
const POLLED_MAX: usize = 4;

type Polled = Result<Vec<Entry>, LogError>;

pub(super) struct KafkaFollower {
    topic: String,
    polled: mpsc::Receiver<Polled>,
}

impl fmt::Debug for KafkaFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaFollower").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl KafkaFollower {
    /// Starts to read. Blocks while the cluster is asked where the partitions begin.
    pub(super) fn start(inner: &Inner, topic: &str, from: &[u64]) -> Result<Self, LogError> {
        let reader = client::reader(&inner.settings)?;
        let mut list = TopicPartitionList::new();
        for (partition, from) in (0_u32..).zip(from) {
            let bounds = topics::bounds_of(inner, topic, partition);
            let first = bounds.map_err(|error| failure::of(&error))?.first;
            let offset = i64::try_from((*from).max(first)).unwrap_or(i64::MAX);
            let partition = i32::try_from(partition).unwrap_or(i32::MAX);
            let added = list.add_partition_offset(topic, partition, Offset::Offset(offset));
            added.map_err(|error| failure::of(&error))?;
        }
        reader.assign(&list).map_err(|error| failure::of(&error))?;
        let (send, polled) = mpsc::channel(POLLED_MAX);
        let thread = thread::Builder::new().name("kafka-follower".to_owned());
        let started = thread.spawn(move || run(&reader, &send));
        started.map_err(|error| LogError::Unavailable(error.to_string()))?;
        Ok(Self { topic: topic.to_owned(), polled })
    }
}

/// Polls until the follower is dropped.
fn run(reader: &BaseConsumer<Quiet>, send: &mpsc::Sender<Polled>) {
    while !send.is_closed() {
        let mut entries: Vec<Entry> = Vec::new();
        let mut next = reader.poll(POLL_EVERY);
        while let Some(polled) = next {
            match polled {
                Ok(message) => {
                    let entry = read::entry(&message);
                    let is_other = entries.last().is_some_and(|it| it.partition != entry.partition);
                    if is_other && send.blocking_send(Ok(std::mem::take(&mut entries))).is_err() {
                        return;
                    }
                    entries.push(entry);
                }
                Err(KafkaError::PartitionEOF(_)) => {}
                // The client goes on by itself once its cluster is back.
                Err(error) => tracing::debug!(%error, "a follower of Kafka goes on after an error"),
            }
            next = if entries.len() < ENTRIES_MAX { reader.poll(Duration::ZERO) } else { None };
        }
        if !entries.is_empty() && send.blocking_send(Ok(entries)).is_err() {
            return;
        }
    }
}

impl Follower for KafkaFollower {
    fn next(&mut self) -> Answer<'_, Vec<Entry>> {
        Box::pin(async {
            let gone = || Err(LogError::Unavailable("the follower has ended".to_owned()));
            self.polled.recv().await.unwrap_or_else(gone)
        })
    }
}
