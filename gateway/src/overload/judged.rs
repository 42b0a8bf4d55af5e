//! An answer's status, as each of those sees it who protect the endpoint that gave it.

use headgate_router::{
    balance,
    overload::{breaker, limit},
};
use http::StatusCode;

/// As the balancer sees it.
pub(crate) fn by_balancer(status: StatusCode) -> balance::End {
    let is_refusal = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    if is_refusal { balance::End::Failure } else { balance::End::Success }
}

/// As the endpoint's breaker sees it.
pub(crate) fn by_breaker(status: StatusCode) -> breaker::End {
    match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => breaker::End::Refused,
        _ if status.is_server_error() => breaker::End::Failure,
        _ => breaker::End::Success,
    }
}

/// As the concurrency limit sees it.
pub(crate) fn by_limit(status: StatusCode) -> limit::End {
    match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => limit::End::Dropped,
        _ if status.is_server_error() => limit::End::Ignore,
        _ => limit::End::Success,
    }
}
