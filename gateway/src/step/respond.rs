//! Answers the client: with the origin's answer, or with one of the edge's own. No other file
//! writes a status for a failure.

mod accepted;
mod grpc;
mod prepared;
mod pushes;

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use headgate_idempotency::http::REPLAYED;
use headgate_types::{Outcome, RetryAdvice, TraceId};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version,
    header::{
        CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
    },
    response,
};

pub(crate) use self::{
    accepted::{published, results, told},
    pushes::pushes,
};
use crate::{
    body::{Held, OriginBody, ResponseBody},
    error::Error,
    headers,
    record::Record,
    settings::StaticAnswer,
    step::forward::Answer,
    tunnel::{self, Switch},
};

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// The least time after which a refused client should come back.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// Clients are spread over this much more, so that they do not come back together.
const RETRY_AFTER_SPREAD: Duration = Duration::from_secs(2);

/// Passes the origin's answer on.
pub(crate) fn pass_on(record: Box<Record>, answer: Answer) -> Response<ResponseBody> {
    let Answer { mut response, lease, call, permits, pace, upgrade } = answer;
    let Ok(hop) = clean(response.headers_mut()) else {
        return refuse(record, Error::Garbled);
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let is_agreed =
            |one: &Switch| hop.upgrades_to_websocket && one.is_agreed(response.headers());
        let Some(switch) = upgrade.filter(is_agreed) else {
            return refuse(record, Error::Garbled);
        };
        lease.hand_over();
        let upstream = hyper::upgrade::on(&mut response);
        switch.tell(&mut response);
        tunnel::spawn(switch, upstream, call, record);
        return response.map(|_| ResponseBody::own(Bytes::new(), None));
    }
    if response.status().is_success() && upgrade.is_some_and(|one| one.is_stream()) {
        return refuse(record, Error::Garbled);
    }
    if record.is_degraded() {
        response.headers_mut().insert(headers::DEGRADED, HeaderValue::from_static("1"));
    }
    let (parts, incoming) = response.into_parts();
    let body = OriginBody::new(incoming, Held { lease, call, permits }, pace, record);
    Response::from_parts(parts, ResponseBody::Origin(Box::new(body)))
}

/// Removes what ends at this hop, and what only the edge may say, from the head of an answer.
///
/// # Errors
///
/// A sentence when the head contradicts its own framing.
pub(crate) fn clean(headers: &mut HeaderMap) -> Result<headers::Hop, &'static str> {
    let hop = headers::strip_hop(headers)?;
    headers::strip_ours(headers);
    Ok(hop)
}

/// Passes on an origin's answer that has been read to its end.
pub(crate) fn whole(
    mut record: Box<Record>,
    mut parts: response::Parts,
    body: Bytes,
) -> Response<ResponseBody> {
    record.bytes_out = body.len() as u64;
    name_length(&mut parts.headers, parts.status, &body);
    Response::from_parts(parts, ResponseBody::own(body, Some(record)))
}

/// Repeats an answer that was given before.
pub(crate) fn replay(
    mut record: Box<Record>,
    (status, mut headers): (StatusCode, HeaderMap),
    body: Bytes,
) -> Response<ResponseBody> {
    record.answered(status);
    record.replayed();
    record.bytes_out = body.len() as u64;
    name_length(&mut headers, status, &body);
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    let mut response = Response::new(ResponseBody::own(body, Some(record)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Says how long a body in memory is, alike in the first answer and in its repetitions.
fn name_length(headers: &mut HeaderMap, status: StatusCode, body: &Bytes) {
    // What these mean by a length is not their own body's (RFC 9110, 8.6).
    if ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
}

/// Answers for a task that is gone, and has taken the record of its exchange with it.
pub(crate) fn broken_off() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::own(Bytes::new(), None));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Answers in the origin's place with what the route's configuration has for that.
pub(crate) fn degrade(
    mut record: Box<Record>,
    error: Error,
    answer: StaticAnswer,
) -> Response<ResponseBody> {
    record.degrades(error);
    record.answered(answer.status);
    let StaticAnswer { status, content_type, body } = answer;
    record.bytes_out = body.len() as u64;
    let mut response = Response::new(ResponseBody::own(body, Some(record)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(headers::DEGRADED, HeaderValue::from_static("1"));
    if let Some(value) = proxy_status(error) {
        headers.insert(PROXY_STATUS, value);
    }
    response
}

/// Answers in the origin's place: an RFC 9457 problem with RFC 9209 `proxy-status`, or a status of
/// gRPC for who asks by that.
pub(crate) fn refuse(mut record: Box<Record>, error: Error) -> Response<ResponseBody> {
    record.fail(error);
    let version = record.version();
    let grpc = record.grpc();
    let status = if grpc.is_some() { StatusCode::OK } else { status(error) };
    record.answered(status);
    let outcome = error.outcome();
    let retry_after = error.wait().map(|wait| wait.after).or_else(|| retry_after(outcome));
    let trace = record.trace_id();
    let body = if grpc.is_some() {
        Bytes::new()
    } else {
        prepared::body(error, trace)
            .unwrap_or_else(|| problem(error, status, retry_after, trace).into())
    };
    record.bytes_out = body.len() as u64;
    let mut response = Response::new(ResponseBody::own(body, Some(record)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(value) = proxy_status(error) {
        headers.insert(PROXY_STATUS, value);
    }
    if let Some(wait) = retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(kind) = grpc {
        grpc::tell(headers, kind, error);
    }
    if closes(error) && version < Version::HTTP_2 {
        close_connection(&mut response);
    }
    response
}

/// Ends the connection behind this answer. Not for HTTP/2, which knows no such header.
pub(crate) fn close_connection(response: &mut Response<ResponseBody>) {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Whether what the client sends next can't be trusted to be a request.
fn closes(error: Error) -> bool {
    matches!(error, Error::BadRequest(_) | Error::BodyTimeout | Error::BodyTooLarge { .. })
}

fn status(error: Error) -> StatusCode {
    match error {
        Error::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        // Nobody reads it: the number is nginx's, for the log.
        Error::ClientLeft => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        _ => match error.outcome() {
            Outcome::NoRoute => StatusCode::NOT_FOUND,
            Outcome::DeniedAuth => StatusCode::UNAUTHORIZED,
            Outcome::DeniedPolicy => StatusCode::FORBIDDEN,
            Outcome::ClientBadRequest | Outcome::IdempotencyMissing => StatusCode::BAD_REQUEST,
            Outcome::ClientTimeout => StatusCode::REQUEST_TIMEOUT,
            Outcome::IdempotencyConflict => StatusCode::UNPROCESSABLE_ENTITY,
            Outcome::IdempotencyBusy => StatusCode::CONFLICT,
            Outcome::LimitedRate => StatusCode::TOO_MANY_REQUESTS,
            Outcome::LimitedConcurrency
            | Outcome::ShedPriority
            | Outcome::ShedOverload
            | Outcome::BreakerOpen
            | Outcome::StoreUnavailable
            | Outcome::OriginUnhealthy => StatusCode::SERVICE_UNAVAILABLE,
            Outcome::OriginConnect | Outcome::OriginReset => StatusCode::BAD_GATEWAY,
            Outcome::OriginTimeout | Outcome::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

/// The registered error type of RFC 9209, 2.3 that comes closest.
fn proxy_error(error: Error) -> &'static str {
    match error {
        Error::NoRoute | Error::NoSeries => "destination_not_found",
        Error::CredentialMissing
        | Error::CredentialInvalid
        | Error::Forbidden
        | Error::KeyConflict
        | Error::KeyBusy
        | Error::KeyInDoubt
        | Error::AnswerNotKept
        | Error::LimitedRate(_) => "http_request_denied",
        Error::BadRequest(_)
        | Error::KeyMissing
        | Error::KeyMalformed(_)
        | Error::EventRejected(_)
        | Error::BodyTimeout
        | Error::BodyTooLarge { .. }
        | Error::ClientLeft => "http_request_error",
        Error::ConnectionsExhausted
        | Error::PushExhausted
        | Error::ShedOverload(_)
        | Error::ShedPriority(_)
        | Error::LimitedConcurrency(_) => "connection_limit_reached",
        Error::NoEndpoint | Error::BreakerOpen(_) => "destination_unavailable",
        Error::Connect => "connection_refused",
        Error::Tls => "tls_protocol_error",
        Error::Untrusted => "tls_certificate_error",
        Error::Reset => "connection_terminated",
        Error::Garbled => "http_protocol_error",
        Error::AttemptTimeout | Error::DeadlineExceeded | Error::TooLate => "http_response_timeout",
        Error::KeysUnavailable
        | Error::SourceUnavailable
        | Error::StoreUnavailable
        | Error::LogUnavailable
        | Error::NoRoomForData
        | Error::PushUnavailable
        | Error::Internal(_) => "proxy_internal_error",
    }
}

fn proxy_status(error: Error) -> Option<HeaderValue> {
    // Those that come in floods cost no allocation.
    let ready = match error {
        Error::ShedOverload(_) => SHED_OVERLOAD,
        Error::ShedPriority(_) => SHED_PRIORITY,
        Error::LimitedConcurrency(_) => LIMITED_CONCURRENCY,
        Error::BreakerOpen(_) => BREAKER_OPEN,
        Error::LimitedRate(_) => LIMITED_RATE,
        _ => {
            let (kind, code) = (proxy_error(error), error.code());
            let text = format!("headgate; error={kind}; details=\"{code}\"");
            return HeaderValue::try_from(text).ok();
        }
    };
    Some(HeaderValue::from_static(ready))
}

const SHED_OVERLOAD: &str = "headgate; error=connection_limit_reached; details=\"HG0030\"";
const SHED_PRIORITY: &str = "headgate; error=connection_limit_reached; details=\"HG0031\"";
const LIMITED_CONCURRENCY: &str = "headgate; error=connection_limit_reached; details=\"HG0032\"";
const BREAKER_OPEN: &str = "headgate; error=destination_unavailable; details=\"HG0033\"";
const LIMITED_RATE: &str = "headgate; error=http_request_denied; details=\"HG0034\"";

fn title(error: Error) -> &'static str {
    match error {
        Error::NoRoute => "No route of this edge matches the request",
        Error::CredentialMissing => "A credential is required",
        Error::CredentialInvalid => "The credential is not valid",
        Error::KeysUnavailable | Error::SourceUnavailable => {
            "Credentials can't be verified at the moment"
        }
        Error::Forbidden => "The credential does not allow this",
        Error::BadRequest(_) => "The request is not valid",
        Error::BodyTimeout => "The request body came too slowly",
        Error::BodyTooLarge { .. } => "The request body is too large",
        Error::ClientLeft => "The client left",
        Error::KeyMissing => "An idempotency-key is required",
        Error::KeyMalformed(_) => "The idempotency-key is not valid",
        Error::KeyConflict => "The idempotency-key was used for another request",
        Error::KeyBusy => "The first request with this idempotency-key is still being served",
        Error::KeyInDoubt => "It is not known whether the first request took effect",
        Error::AnswerNotKept => "The first request was answered, and its answer was not kept",
        Error::StoreUnavailable => "Idempotency keys can't be checked at the moment",
        Error::EventRejected(_) => "The request makes no event",
        Error::LogUnavailable => "Events can't be taken at the moment",
        Error::NoRoomForData => "No more large events can be taken at the moment",
        Error::PushExhausted => "As many clients as can be are waiting for results",
        Error::PushUnavailable => "Results can't be pushed at the moment",
        Error::NoSeries => "There are no such results, or they are not the caller's",
        Error::ShedOverload(_) => "The edge is overloaded, and others go first",
        Error::ShedPriority(_) => "The service is overloaded, and others go first",
        Error::LimitedConcurrency(_) | Error::ConnectionsExhausted => {
            "Too many requests are in flight to this service"
        }
        Error::BreakerOpen(_) => "The service fails too often to be tried",
        Error::LimitedRate(_) => "Too many requests in too little time",
        Error::TooLate => "Too little time is left for an answer",
        Error::NoEndpoint => "The service has no endpoint",
        Error::Connect => "The service can't be reached",
        Error::Tls => "The service can't be spoken to by TLS",
        Error::Untrusted => "The service's certificate is not trusted",
        Error::Reset => "The service broke off",
        Error::Garbled => "The service did not answer in HTTP",
        Error::AttemptTimeout => "The service did not answer in time",
        Error::DeadlineExceeded => "The request's time is up",
        Error::Internal(_) => "The edge failed",
    }
}

/// The wait that a client is told, spread so that the refused do not return together.
fn retry_after(outcome: Outcome) -> Option<Duration> {
    (outcome.retry() == RetryAdvice::After)
        .then(|| RETRY_AFTER_MIN + RETRY_AFTER_SPREAD.mul_f64(fastrand::f64()))
}

/// The body. Every word in it is ours, so nothing needs escaping.
fn problem(
    error: Error,
    status: StatusCode,
    retry_after: Option<Duration>,
    trace: TraceId,
) -> String {
    let outcome = error.outcome();
    let retryable = matches!(outcome.retry(), RetryAdvice::Yes | RetryAdvice::After);
    let code = error.code();
    let mut body = String::with_capacity(384);
    let written = write!(
        body,
        "{{\"type\":\"urn:headgate:error:{code}\",\"title\":\"{}\",\"status\":{},\
         \"code\":\"{code}\",\"outcome\":\"{outcome}\",\"trace_id\":\"{}\",\
         \"retryable\":{retryable}",
        title(error),
        status.as_u16(),
        trace,
    );
    debug_assert!(written.is_ok(), "a string takes any text");
    if let Some(wait) = retry_after {
        let _written = write!(body, ",\"retry_after_ms\":{}", wait.as_millis());
    }
    if let Some(wait) = error.wait() {
        let _written = write!(body, ",\"retries_max\":{}", wait.retries_max);
    }
    if let Error::BadRequest(detail) | Error::KeyMalformed(detail) | Error::EventRejected(detail) =
        error
    {
        let _written = write!(body, ",\"detail\":\"{detail}\"");
    }
    if let Error::BodyTooLarge { body_bytes_max } = error {
        let _written = write!(body, ",\"detail\":\"at most {body_bytes_max} bytes\"");
    }
    body.push('}');
    body
}
