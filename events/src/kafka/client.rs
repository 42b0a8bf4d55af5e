//! librdkafka's clients, made from settings.

use std::time::Duration;

use rdkafka::{
    ClientConfig, ClientContext,
    admin::AdminClient,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    producer::FutureProducer,
};

use super::{Mechanism, Sasl, Settings, Tls, failure};
use crate::error::LogError;

/// The group of those who read without one: nothing is ever committed for it.
const READERS: &str = "headgate-readers";

/// Hands what librdkafka says on to the process's log. It tries again by itself, so that nothing of
/// it is an error that a person must act on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, said: &str) {
        log(level, facility, said);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tell(&error, reason);
    }
}

impl ConsumerContext for Quiet {}

pub(super) fn log(level: RDKafkaLogLevel, facility: &str, said: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::warn!(facility, said, "the Kafka client warns"),
        _ => tracing::debug!(facility, said, "the Kafka client says"),
    }
}

pub(super) fn tell(error: &KafkaError, reason: &str) {
    tracing::debug!(%error, reason, "the Kafka client has an error");
}

pub(super) fn producer(settings: &Settings) -> Result<FutureProducer<Quiet>, LogError> {
    let more = [
        ("enable.idempotence", "true".to_owned()),
        ("acks", "all".to_owned()),
        ("compression.type", "zstd".to_owned()),
        ("linger.ms", millis(settings.linger)),
        ("delivery.timeout.ms", millis(settings.append_timeout)),
    ];
    made(settings, more, Quiet)
}

pub(super) fn admin(settings: &Settings) -> Result<AdminClient<Quiet>, LogError> {
    made(settings, [], Quiet)
}

/// A consumer that is told what to read, and never joins a group.
pub(super) fn reader(settings: &Settings) -> Result<BaseConsumer<Quiet>, LogError> {
    let more = [
        ("group.id", READERS.to_owned()),
        ("enable.auto.commit", "false".to_owned()),
        ("enable.partition.eof", "true".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
        ("isolation.level", "read_committed".to_owned()),
        ("queued.max.messages.kbytes", settings.fetched_kilobytes_max.to_string()),
    ];
    made(settings, more, Quiet)
}

/// A consumer that speaks for a group and does not join it.
pub(super) fn outsider(settings: &Settings, group: &str) -> Result<BaseConsumer<Quiet>, LogError> {
    let more = [("group.id", group.to_owned()), ("enable.auto.commit", "false".to_owned())];
    made(settings, more, Quiet)
}

/// A consumer that joins a group. `instance` makes it a static member.
pub(super) fn member<C: ConsumerContext>(
    settings: &Settings,
    group: &str,
    instance: Option<String>,
    context: C,
) -> Result<BaseConsumer<C>, LogError> {
    let instance = instance.map(|instance| ("group.instance.id", instance));
    let more = [
        ("group.id", group.to_owned()),
        ("partition.assignment.strategy", "cooperative-sticky".to_owned()),
        ("enable.auto.commit", "true".to_owned()),
        ("auto.commit.interval.ms", millis(settings.commit_every)),
        // Only what the consumer calls settled is committed.
        ("enable.auto.offset.store", "false".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
        ("isolation.level", "read_committed".to_owned()),
        ("session.timeout.ms", millis(settings.session_timeout)),
        ("heartbeat.interval.ms", millis(settings.session_timeout / 4)),
        ("max.poll.interval.ms", millis(settings.poll_timeout)),
        ("queued.max.messages.kbytes", settings.fetched_kilobytes_max.to_string()),
    ];
    made(settings, more.into_iter().chain(instance), context)
}

fn made<C, T: FromClientConfigAndContext<C>>(
    settings: &Settings,
    more: impl IntoIterator<Item = (&'static str, String)>,
    context: C,
) -> Result<T, LogError>
where
    C: ClientContext,
{
    let mut config = ClientConfig::new();
    for (name, value) in of_all(settings).into_iter().chain(more) {
        config.set(name, value);
    }
    let made: KafkaResult<T> = config.create_with_context(context);
    made.map_err(|error| failure::of_settings(&error))
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

/// The settings of every client, by librdkafka's names.
fn of_all(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("bootstrap.servers", settings.brokers.clone()),
        ("client.id", settings.client_id.clone()),
        ("allow.auto.create.topics", "false".to_owned()),
        // A broker that restarts is found again soon.
        ("reconnect.backoff.max.ms", "1000".to_owned()),
    ];
    let protocol = match (&settings.tls, &settings.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    all.push(("security.protocol", protocol.to_owned()));
    if let Some(Tls { ca, identity }) = &settings.tls {
        let files = [
            ("ssl.ca.location", ca.as_ref()),
            ("ssl.certificate.location", identity.as_ref().map(|(certificate, _)| certificate)),
            ("ssl.key.location", identity.as_ref().map(|(_, key)| key)),
        ];
        let given = files.into_iter().filter_map(|(name, file)| Some((name, file?)));
        all.extend(given.map(|(name, file)| (name, file.display().to_string())));
    }
    if let Some(Sasl { mechanism, username, password }) = &settings.sasl {
        let mechanism = match mechanism {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        };
        all.push(("sasl.mechanism", mechanism.to_owned()));
        all.push(("sasl.username", username.clone()));
        all.push(("sasl.password", password.0.clone()));
    }
    all
}

#[cfg(test)]
mod tests;
