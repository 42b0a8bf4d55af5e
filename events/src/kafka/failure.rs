//! What librdkafka's errors say: not valid, busy, in doubt, or not available.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode as Code};

use crate::error::LogError;

/// Sorts an error of a request that may have been carried out.
pub(super) fn of(error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => of_code(code),
        None => LogError::Unavailable(error.to_string()),
    }
}

/// Sorts an error's code.
pub(super) fn of_code(code: Code) -> LogError {
    match code {
        Code::QueueFull | Code::ThrottlingQuotaExceeded => LogError::Busy,
        // The broker may have it, or may yet get it.
        Code::MessageTimedOut
        | Code::RequestTimedOut
        | Code::NetworkException
        | Code::PurgeInflight
        | Code::NotEnoughReplicasAfterAppend => LogError::InDoubt(code.to_string()),
        Code::BadMessage
        | Code::InvalidArgument
        | Code::InvalidConfig
        | Code::InvalidMessage
        | Code::InvalidMessageSize
        | Code::InvalidPartitions
        | Code::InvalidRecord
        | Code::InvalidReplicationFactor
        | Code::InvalidTopic
        | Code::MessageSizeTooLarge
        | Code::PolicyViolation
        | Code::UnknownPartition
        | Code::UnknownTopic
        | Code::UnknownTopicOrPartition => LogError::Invalid(code.to_string()),
        _ => LogError::Unavailable(code.to_string()),
    }
}

/// Whether there is no such topic or partition.
pub(super) fn is_absent(error: &KafkaError) -> bool {
    let absent = [Code::UnknownTopic, Code::UnknownPartition, Code::UnknownTopicOrPartition];
    error.rdkafka_error_code().is_some_and(|code| absent.contains(&code))
}

/// Why a client can't be made. The error's own text would show the value, which may be a password.
pub(super) fn of_settings(error: &KafkaError) -> LogError {
    LogError::Invalid(match error {
        KafkaError::ClientConfig(_, _, key, _) => {
            format!("Kafka's client does not take this {key}")
        }
        other => format!("there can be no client for Kafka: {other}"),
    })
}
