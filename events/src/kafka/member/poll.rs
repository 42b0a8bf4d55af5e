//! The thread that polls for a member.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use rdkafka::{
    Message as _,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    types::RDKafkaErrorCode as Code,
};
use tokio::sync::mpsc;

use super::{super::failure, super::read, rebalance::Rebalances};
use crate::{
    error::LogError,
    log::{ENTRIES_MAX, Entry, Polled},
};

/// The longest wait of one poll: within it a member that was dropped is noticed.
const POLL_EVERY: Duration = Duration::from_millis(100);
/// Bytes of values that are handed over at once, about.
const BYTES_MAX: usize = 1 << 20;
/// Between two looks at whether nobody else has the consumer any more.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The thread. It alone lets the consumer go at the end, because closing blocks.
pub(super) struct Poller {
    consumer: Arc<BaseConsumer<Rebalances>>,
    send: mpsc::Sender<Result<Polled, LogError>>,
}

impl Poller {
    pub(super) fn start(
        consumer: Arc<BaseConsumer<Rebalances>>,
        send: mpsc::Sender<Result<Polled, LogError>>,
    ) -> Result<(), LogError> {
        let poller = Self { consumer, send };
        let thread = thread::Builder::new().name("kafka-member".to_owned());
        let started = thread.spawn(move || poller.run());
        started.map(drop).map_err(|error| LogError::Unavailable(error.to_string()))
    }

    fn run(self) {
        let Self { consumer, send } = self;
        let context = Arc::clone(consumer.context());
        if let Some(error) = poll(&consumer, &send) {
            // Nobody listens any more when the member is being dropped.
            drop(send.blocking_send(Err(error)));
        }
        drop(send);
        while !context.is_closing() || Arc::strong_count(&consumer) > 1 {
            thread::sleep(LOOK_EVERY);
        }
        context.close(&consumer);
    }
}

/// Polls until the member is dropped, or can't go on: then this says why.
fn poll(
    consumer: &BaseConsumer<Rebalances>,
    send: &mpsc::Sender<Result<Polled, LogError>>,
) -> Option<LogError> {
    let context = consumer.context();
    while !context.is_closing() {
        let mut batch = Batch::default();
        let mut next = consumer.poll(POLL_EVERY);
        while let Some(polled) = next {
            match polled {
                Ok(message) if context.is_leaving(message.partition()) => {}
                Ok(message) => batch.push(read::entry(&message)),
                Err(error) => {
                    if let Some(error) = lasting(&error) {
                        return Some(error);
                    }
                }
            }
            next = if batch.is_full() { None } else { consumer.poll(Duration::ZERO) };
        }
        // Whatever was polled came before the rebalance that ended the polling.
        for polled in batch.polled().chain(context.news()) {
            if send.blocking_send(Ok(polled)).is_err() {
                return None;
            }
        }
    }
    None
}

/// What does not pass by itself: the client goes on after everything else.
fn lasting(error: &KafkaError) -> Option<LogError> {
    let is_lasting = match error {
        KafkaError::MessageConsumptionFatal(_) => true,
        KafkaError::MessageConsumption(code) => matches!(
            code,
            Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::FencedInstanceId
        ),
        _ => false,
    };
    if !is_lasting {
        tracing::debug!(%error, "a member of a Kafka group goes on after an error");
        return None;
    }
    Some(failure::of(error))
}

/// Entries by partition, in order.
#[derive(Default)]
struct Batch {
    entries: BTreeMap<u32, Vec<Entry>>,
    count: usize,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, entry: Entry) {
        self.count += 1;
        self.bytes += entry.value.len();
        self.entries.entry(entry.partition).or_default().push(entry);
    }

    fn is_full(&self) -> bool {
        self.count >= ENTRIES_MAX || self.bytes >= BYTES_MAX
    }

    fn polled(self) -> impl Iterator<Item = Polled> {
        self.entries.into_iter().map(|(partition, entries)| Polled::Entries { partition, entries })
    }
}
