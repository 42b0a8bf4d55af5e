//! The edge's own refusals as gRPC has them: a status in the head of an answer without a body, which
//! gRPC calls "trailers only". The HTTP status is 200; clients that find another one, such as
//! grpc-go, tell that instead of what was wrong.

use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};

use crate::{error::Error, headers::Grpc};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Says what was wrong.
pub(super) fn tell(headers: &mut HeaderMap, kind: Grpc, error: Error) {
    let kind = match kind {
        Grpc::Plain => "application/grpc",
        Grpc::Web => "application/grpc-web+proto",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(GRPC_STATUS, HeaderValue::from(grpc_status(error)));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(error.code()));
}

/// The gRPC status that comes closest.
fn grpc_status(error: Error) -> u16 {
    match error {
        Error::CredentialMissing | Error::CredentialInvalid => 16, // UNAUTHENTICATED
        Error::Forbidden => 7,                                     // PERMISSION_DENIED
        Error::NoRoute | Error::NoSeries => 12,                    // UNIMPLEMENTED
        // INVALID_ARGUMENT
        Error::BadRequest(_)
        | Error::KeyMissing
        | Error::KeyMalformed(_)
        | Error::EventRejected(_) => 3,
        Error::BodyTooLarge { .. } | Error::LimitedRate(_) => 8, // RESOURCE_EXHAUSTED
        Error::ClientLeft => 1,                                  // CANCELLED
        // DEADLINE_EXCEEDED
        Error::AttemptTimeout | Error::DeadlineExceeded | Error::TooLate | Error::BodyTimeout => 4,
        Error::Internal(_) => 13, // INTERNAL
        _ => 14,                  // UNAVAILABLE
    }
}
