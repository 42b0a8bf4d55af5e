use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::error::{
        ConditionalCheckFailedException, InternalServerError,
        ProvisionedThroughputExceededException, ResourceNotFoundException,
        TransactionCanceledException, TransactionInProgressException,
    },
};

use super::*;

/// The answer to a transaction with these reasons.
fn canceled(codes: &[&str]) -> Failure {
    let reasons = codes.iter().map(|code| CancellationReason::builder().code(*code).build());
    let canceled = TransactionCanceledException::builder();
    let canceled = canceled.set_cancellation_reasons(Some(reasons.collect()));
    of_service(Service::TransactionCanceledException(canceled.build()), false)
}

#[test]
fn a_canceled_transaction_tells_why() {
    let refused = canceled(&["None", "ConditionalCheckFailed", "TransactionConflict"]);
    let Failure::Conditions(against) = refused else { panic!("{refused:?}") };
    assert_eq!(against, [(1, None)]);
    let is_busy = |failure| matches!(failure, Failure::Again(StoreError::Busy));
    assert!(is_busy(canceled(&["TransactionConflict", "None"])));
    assert!(is_busy(canceled(&["None", "ThrottlingError"])));
    assert!(is_busy(canceled(&["ProvisionedThroughputExceeded"])));
    let unfit = canceled(&["ValidationError", "TransactionConflict"]);
    assert!(matches!(unfit, Failure::Final(StoreError::Invalid(_))), "{unfit:?}");
    let unknown = canceled(&["SomethingNew"]);
    assert!(matches!(unknown, Failure::Final(StoreError::Unavailable(_))), "{unknown:?}");
}

#[test]
fn errors_are_sorted_by_what_is_known_of_the_write() {
    let failed = ConditionalCheckFailedException::builder().build();
    let failed = of_service(Service::ConditionalCheckFailedException(failed), false);
    assert!(matches!(failed, Failure::Conditions(against) if against == [(0, None)]));
    let internal = Service::InternalServerError(InternalServerError::builder().build());
    assert!(matches!(of_service(internal, true), Failure::Lost(_)));
    let at_work = TransactionInProgressException::builder().build();
    let at_work = of_service(Service::TransactionInProgressException(at_work), false);
    assert!(matches!(at_work, Failure::Lost(_)));
    let missing = Service::ResourceNotFoundException(ResourceNotFoundException::builder().build());
    let missing = of_service(missing, false);
    assert!(matches!(missing, Failure::Final(StoreError::Unavailable(_))));
    let slow = ProvisionedThroughputExceededException::builder();
    let slow = slow.meta(
        aws_sdk_dynamodb::error::ErrorMetadata::builder()
            .code("ProvisionedThroughputExceededException")
            .build(),
    );
    let slow = of_service(Service::ProvisionedThroughputExceededException(slow.build()), false);
    assert!(matches!(slow, Failure::Again(StoreError::Busy)));
}

#[test]
fn nobody_who_listens_is_no_doubt() {
    assert!(was_not_sent(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    assert!(!was_not_sent(&io::Error::from(io::ErrorKind::ConnectionReset)));
}

#[test]
fn what_did_not_leave_is_not_lost() {
    let late = || SdkError::<PutItemError, HttpResponse>::timeout_error("no credentials in time");
    let departure = Departure::default();
    let kept = after(late(), &departure);
    assert!(matches!(kept, Failure::Again(StoreError::Unavailable(_))), "{kept:?}");
    departure.0.store(true, Ordering::Relaxed);
    let left = after(late(), &departure);
    assert!(matches!(left, Failure::Lost(_)), "{left:?}");
}
