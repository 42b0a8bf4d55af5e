//! Appending, in order and until it is durable.

use std::time::Duration;

use headgate_types::UnixTime;
use rdkafka::{
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer},
    types::RDKafkaErrorCode as Code,
};
use tokio::time::{Instant, sleep};

use super::{Inner, client, client::Quiet, failure, names};
use crate::{
    envelope,
    error::LogError,
    log::{Body, Message, Place},
};

/// Between two looks at whether the client's queue has room.
const ROOM_EVERY: Duration = Duration::from_millis(5);

/// Appends messages, and tells their places once all replicas in sync have them.
pub(super) async fn append(inner: &Inner, messages: &[Message]) -> Result<Vec<Place>, LogError> {
    for message in messages {
        if let Body::Event(event) = &message.body {
            event.validate().map_err(|error| LogError::Invalid(error.to_string()))?;
        }
    }
    let producer = inner.producer.lock().clone();
    let until = Instant::now() + inner.settings.append_timeout;
    let topics: Result<Vec<_>, _> =
        messages.iter().map(|message| names::kafka(&message.topic)).collect();
    let mut sent = Vec::with_capacity(messages.len());
    let mut failed = None;
    for (message, topic) in messages.iter().zip(topics?) {
        match enqueue(&producer, (&topic, message), until).await {
            Ok(delivery) => sent.push(delivery),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let mut places = Vec::with_capacity(sent.len());
    for delivery in sent {
        match delivered(delivery).await {
            Ok(place) => places.push(place),
            // The first one says why; what follows it follows from it.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let Some(error) = failed else { return Ok(places) };
    renew(inner, &producer)?;
    Err(match failure::of(&error) {
        // Some of the messages before it may be there.
        LogError::Busy if !places.is_empty() => LogError::InDoubt(error.to_string()),
        failure => failure,
    })
}

/// Puts a message into the client's queue, and waits while that is full.
async fn enqueue(
    producer: &FutureProducer<Quiet>,
    (topic, message): (&str, &Message),
    until: Instant,
) -> Result<DeliveryFuture, KafkaError> {
    let (key, value) = match &message.body {
        Body::Event(event) => (Some(event.partition_key.as_bytes()), event.data.as_ref()),
        Body::Other { key, value } => (key.as_ref().map(|key| key.as_bytes()), value.as_ref()),
    };
    let mut record = FutureRecord::<[u8], [u8]>::to(topic)
        .partition(i32::try_from(message.partition).unwrap_or(i32::MAX))
        .payload(value)
        .timestamp(millis(message.time))
        .headers(headers(&message.body));
    record.key = key;
    loop {
        record = match producer.send_result(record) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(Code::QueueFull), back))
                if Instant::now() < until =>
            {
                back
            }
            Err((error, _)) => return Err(error),
        };
        sleep(ROOM_EVERY).await;
    }
}

async fn delivered(delivery: DeliveryFuture) -> Result<Place, KafkaError> {
    let place = delivery.await.map_err(|_| KafkaError::Canceled)?.map_err(|(error, _)| error)?;
    let partition = u32::try_from(place.partition).unwrap_or_default();
    Ok(Place { partition, offset: u64::try_from(place.offset).unwrap_or_default() })
}

fn headers(body: &Body) -> OwnedHeaders {
    let headers = match body {
        Body::Event(event) => envelope::kafka_headers(event),
        Body::Other { .. } => vec![("content-type".into(), "application/json".to_owned())],
    };
    let room = OwnedHeaders::new_with_capacity(headers.len());
    headers.iter().fold(room, |all, (key, value)| all.insert(Header { key, value: Some(value) }))
}

fn millis(time: UnixTime) -> i64 {
    i64::try_from(time.as_duration().as_millis()).unwrap_or(i64::MAX)
}

/// Replaces a producer that can't go on without losing its promise. Appending again is safe: equal
/// ids are known to consumers.
fn renew(inner: &Inner, failed: &FutureProducer<Quiet>) -> Result<(), LogError> {
    let Some((code, reason)) = failed.client().fatal_error() else { return Ok(()) };
    let mut producer = inner.producer.lock();
    if producer.client().fatal_error().is_some() {
        tracing::warn!(%code, reason, "the Kafka producer is made anew");
        *producer = client::producer(&inner.settings)?;
    }
    Ok(())
}
