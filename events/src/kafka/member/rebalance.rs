//! What the group's coordinator decides: which partitions come and go.
//!
//! A partition that shall go is let go only when the consumer has settled what runs and has released
//! it; until then the group waits, at most for the poll timeout.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

use super::super::{client, groups};
use crate::log::{Assigned, Polled};

/// Answers the coordinator, within the member's polls.
pub(super) struct Rebalances {
    topic: Arc<str>,
    timeout: Duration,
    /// The member is being dropped: nothing waits for anybody any more.
    is_closing: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the member is to be told.
    news: VecDeque<Polled>,
    /// What the coordinator wants back, and which of it the consumer still works on.
    leaving: Option<(TopicPartitionList, BTreeSet<u32>)>,
}

impl Rebalances {
    pub(super) fn new(topic: Arc<str>, timeout: Duration) -> Self {
        Self { topic, timeout, is_closing: AtomicBool::new(false), state: Mutex::default() }
    }

    pub(super) fn begin_closing(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// What the member is to be told, in order.
    pub(super) fn news(&self) -> VecDeque<Polled> {
        std::mem::take(&mut self.state.lock().news)
    }

    /// Whether no more entries of a partition are wanted: another member will have them.
    pub(super) fn is_leaving(&self, partition: i32) -> bool {
        let state = self.state.lock();
        let leaving = state.leaving.as_ref();
        leaving.is_some_and(|(list, _)| list.find_partition(&self.topic, partition).is_some())
    }

    /// Lets partitions go that the consumer is done with. The group goes on with the last of them.
    pub(super) fn release(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &[u32],
    ) -> KafkaResult<()> {
        let mut state = self.state.lock();
        let Some((_, waiting)) = &mut state.leaving else { return Ok(()) };
        for partition in partitions {
            waiting.remove(partition);
        }
        if !waiting.is_empty() {
            return Ok(());
        }
        let leaving = state.leaving.take();
        drop(state);
        leaving.map_or(Ok(()), |(list, _)| consumer.incremental_unassign(&list))
    }

    /// Before the consumer closes: the coordinator gets what it waits for.
    pub(super) fn close(&self, consumer: &BaseConsumer<Self>) {
        let leaving = self.state.lock().leaving.take();
        if let Some((list, _)) = leaving
            && let Err(error) = consumer.incremental_unassign(&list)
        {
            tracing::debug!(%error, "partitions are left without a word");
        }
    }

    fn come(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let assigned = self.from(consumer, list);
        let mut at = TopicPartitionList::new();
        for Assigned { partition, from } in &assigned {
            let partition = i32::try_from(*partition).unwrap_or(i32::MAX);
            let from = Offset::Offset(i64::try_from(*from).unwrap_or(i64::MAX));
            at.add_partition_offset(&self.topic, partition, from)?;
        }
        consumer.incremental_assign(&at)?;
        if !assigned.is_empty() {
            self.state.lock().news.push_back(Polled::Assigned(assigned));
        }
        Ok(())
    }

    /// From where partitions are read: what the group has committed, or else what is kept.
    ///
    /// Without an answer they are read from the beginning: what is settled is known as such, and
    /// nothing is passed over.
    fn from(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> Vec<Assigned> {
        let found = consumer.committed_offsets(list.clone(), self.timeout);
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(%error, topic = %self.topic, "a group's offsets are not to be had");
            list.clone()
        });
        let from = |partition: i32, offset| {
            let first = || {
                let bounds = consumer.fetch_watermarks(&self.topic, partition, self.timeout);
                bounds.ok().and_then(|(first, _)| u64::try_from(first).ok())
            };
            groups::committed(offset).or_else(first).unwrap_or_default()
        };
        let each = found.elements();
        let mut assigned: Vec<_> = each
            .iter()
            .filter_map(|element| {
                let partition = u32::try_from(element.partition()).ok()?;
                Some(Assigned { partition, from: from(element.partition(), element.offset()) })
            })
            .collect();
        assigned.sort_unstable_by_key(|assigned| assigned.partition);
        assigned
    }

    fn go(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let partitions: BTreeSet<_> = list
            .elements()
            .iter()
            .filter_map(|element| u32::try_from(element.partition()).ok())
            .collect();
        let numbers: Vec<_> = partitions.iter().copied().collect();
        if self.is_closing() || partitions.is_empty() {
            return consumer.incremental_unassign(list);
        }
        if consumer.assignment_lost() {
            self.state.lock().news.push_back(Polled::Lost(numbers));
            return consumer.incremental_unassign(list);
        }
        let mut state = self.state.lock();
        state.leaving = Some((list.clone(), partitions));
        state.news.push_back(Polled::Revoked(numbers));
        Ok(())
    }
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, said: &str) {
        client::log(level, facility, said);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::tell(&error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let done = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.come(consumer, list),
            _ => self.go(consumer, list),
        };
        if let Err(error) = done {
            tracing::warn!(%error, topic = %self.topic, "a rebalance did not come about");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, topic = %self.topic, "offsets are not committed yet");
        }
    }
}
