//! What the SDK's errors say about a write: refused, lost, worth another attempt, or none of it.

use std::{
    error::Error,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_sdk_dynamodb::{
    Error as Service,
    config::{
        ConfigBag, Intercept, RuntimeComponents, http::HttpResponse,
        interceptors::BeforeTransmitInterceptorContextRef,
    },
    error::{BoxError, ProvideErrorMetadata, SdkError},
    types::CancellationReason,
};

use super::commit::Against;
use crate::store::StoreError;

/// Characters of an error's text that are handed on at most.
const TEXT_CHARS_MAX: usize = 300;

/// Codes of refusals that pass by themselves: nothing was carried out.
const PASSING: [&str; 8] = [
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "ThrottlingError",
    "ThrottlingException",
    "TransactionConflict",
    "TransactionConflictException",
];

/// Codes of requests whose time was wrong: the SDK learns the right one from the answer.
const SKEWED: [&str; 3] = ["InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed"];

/// Codes of requests that DynamoDB does not understand or has no room for.
const UNFIT: [&str; 5] = [
    "ItemCollectionSizeLimitExceeded",
    "ItemCollectionSizeLimitExceededException",
    "SerializationException",
    "ValidationError",
    "ValidationException",
];

/// Why an attempt did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Conditions did not hold: nothing was written by this attempt.
    Conditions(Vec<Against>),
    /// No answer came: the attempt may have been carried out, or may yet be.
    Lost(String),
    /// Nothing was written by this attempt; another one may do better.
    Again(StoreError),
    /// Nothing was written by this attempt, and another one would do no better.
    Final(StoreError),
}

impl Failure {
    /// What it says of a read, which leaves nothing in doubt.
    pub(super) fn of_a_read(&self) -> StoreError {
        match self {
            Self::Conditions(_) => StoreError::Unavailable("a read was refused".to_owned()),
            Self::Lost(why) => StoreError::Unavailable(why.clone()),
            Self::Again(error) | Self::Final(error) => error.clone(),
        }
    }
}

/// Learns whether a request left: without credentials, a region or an endpoint none does, and what
/// did not leave is not lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Departure(Arc<AtomicBool>);

impl Intercept for Departure {
    fn name(&self) -> &'static str {
        "departure"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Sorts an error of a request that was watched.
pub(super) fn after<E>(error: SdkError<E, HttpResponse>, departure: &Departure) -> Failure
where
    E: Error + ProvideErrorMetadata + Into<Service> + 'static,
{
    match of(error) {
        Failure::Lost(why) if !departure.0.load(Ordering::Relaxed) => {
            Failure::Again(StoreError::Unavailable(why))
        }
        failure => failure,
    }
}

/// Sorts an error of the SDK.
pub(super) fn of<E>(error: SdkError<E, HttpResponse>) -> Failure
where
    E: Error + ProvideErrorMetadata + Into<Service> + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let is_server = answer.raw().status().is_server_error();
            of_service(answer.into_err().into(), is_server)
        }
        SdkError::ConstructionFailure(_) => Failure::Final(unavailable(&error)),
        SdkError::DispatchFailure(_) if was_not_sent(&error) => Failure::Again(unavailable(&error)),
        _ => Failure::Lost(text(&error)),
    }
}

fn of_service(error: Service, is_server: bool) -> Failure {
    match error {
        Service::ConditionalCheckFailedException(failed) => {
            Failure::Conditions(vec![(0, failed.item)])
        }
        Service::TransactionCanceledException(canceled) => {
            of_cancellation(canceled.cancellation_reasons.unwrap_or_default())
        }
        // The attempt before this one is still at work.
        Service::TransactionInProgressException(_) => Failure::Lost(text(&error)),
        _ => of_code(&error, is_server),
    }
}

/// A transaction's reasons, one for each action. A condition that does not hold goes before what
/// passes by itself: its answer would stay the same.
fn of_cancellation(reasons: Vec<CancellationReason>) -> Failure {
    let code = |reason: &CancellationReason| reason.code.clone().unwrap_or_default();
    let codes: Vec<_> = reasons.iter().map(code).collect();
    let refused: Vec<_> = reasons
        .into_iter()
        .zip(0..)
        .filter(|(reason, _)| reason.code.as_deref() == Some("ConditionalCheckFailed"))
        .map(|(reason, at)| (at, reason.item))
        .collect();
    if !refused.is_empty() {
        return Failure::Conditions(refused);
    }
    if codes.iter().any(|code| UNFIT.contains(&code.as_str())) {
        return Failure::Final(StoreError::Invalid("an item is not valid or too large".to_owned()));
    }
    if codes.iter().any(|code| PASSING.contains(&code.as_str())) {
        return Failure::Again(StoreError::Busy);
    }
    Failure::Final(StoreError::Unavailable(format!("the transaction was canceled: {codes:?}")))
}

fn of_code(error: &Service, is_server: bool) -> Failure {
    let code = error.code().unwrap_or_default();
    if PASSING.contains(&code) {
        return Failure::Again(StoreError::Busy);
    }
    let said = format!("{code}: {}", error.message().unwrap_or("no message"));
    let said = said.chars().take(TEXT_CHARS_MAX).collect();
    if SKEWED.contains(&code) {
        return Failure::Again(StoreError::Unavailable(said));
    }
    if is_server {
        return Failure::Lost(said);
    }
    if UNFIT.contains(&code) {
        return Failure::Final(StoreError::Invalid(said));
    }
    Failure::Final(StoreError::Unavailable(said))
}

/// Whether there was nobody to send to. Whatever else goes wrong on a connection may have gone
/// wrong after the request arrived.
fn was_not_sent(error: &(dyn Error + 'static)) -> bool {
    let refused = |error: &(dyn Error + 'static)| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    causes(error).any(refused)
}

fn unavailable(error: &(dyn Error + 'static)) -> StoreError {
    StoreError::Unavailable(text(error))
}

/// An error with its causes. DynamoDB's messages speak of tables and expressions, in which values
/// are placeholders.
fn text(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let part = cause.to_string();
        if parts.last() != Some(&part) {
            parts.push(part);
        }
    }
    parts.join(": ").chars().take(TEXT_CHARS_MAX).collect()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests;
