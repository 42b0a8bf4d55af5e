//! Answers of the edge's own that are no failures: events that were taken, and what came of them.

use bytes::Bytes;
use headgate_idempotency::http::REPLAYED;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};

use super::{RETRY_AFTER_MIN, refuse};
use crate::{
    body::ResponseBody,
    error::Error,
    publishing::Results,
    record::Record,
    step::{publish::Taken, results},
};

/// Acknowledges an event, with its results where they came in time.
pub(crate) fn published(record: Box<Record>, taken: Taken) -> Response<ResponseBody> {
    let Taken { published, results } = taken;
    let location = format!("{}{}", results::PREFIX, published.trace);
    let accepted =
        || format!("{{\"trace_id\":\"{}\",\"results\":\"{location}\"}}", published.trace);
    let status = if results.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let body = results.unwrap_or_else(|| accepted().into());
    if published.is_repeated {
        record.replayed();
    }
    let mut response = own_json(record, status, body);
    let headers = response.headers_mut();
    // Hexadecimal digits behind a constant.
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(LOCATION, location);
    }
    if published.is_repeated {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Tells what came of an event, or that handlers are still at work.
pub(crate) fn results(record: Box<Record>, results: Results) -> Response<ResponseBody> {
    match results {
        Results::Settled(body) => own_json(record, StatusCode::OK, body),
        Results::Running { settled, handlers } => {
            let body = format!("{{\"settled\":{settled},\"handlers\":{handlers}}}");
            let mut response = own_json(record, StatusCode::ACCEPTED, body.into());
            let seconds = HeaderValue::from(RETRY_AFTER_MIN.as_secs());
            response.headers_mut().insert(RETRY_AFTER, seconds);
            response
        }
        Results::Unknown => refuse(record, Error::NoSeries),
    }
}

/// Tells a caller what the edge makes of it.
pub(crate) fn told(record: Box<Record>, body: Bytes) -> Response<ResponseBody> {
    own_json(record, StatusCode::OK, body)
}

/// A success of the edge's own.
fn own_json(mut record: Box<Record>, status: StatusCode, body: Bytes) -> Response<ResponseBody> {
    record.answered(status);
    record.bytes_out = body.len() as u64;
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(ResponseBody::own(body, Some(record)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
