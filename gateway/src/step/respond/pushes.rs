//! The answer that begins a push.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, UPGRADE},
};

use crate::{
    body::ResponseBody,
    push::{self, Opened, PushBody},
    record::Record,
};

const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// Begins an event stream, or a WebSocket.
pub(crate) fn pushes(mut record: Box<Record>, opened: Opened) -> Response<ResponseBody> {
    let Opened { feed, socket } = opened;
    let Some(handshake) = socket else {
        record.answered(StatusCode::OK);
        let body = PushBody::new(feed, record);
        let mut response = Response::new(ResponseBody::Pushes(Box::new(body)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    };
    record.answered(StatusCode::SWITCHING_PROTOCOLS);
    let mut response = Response::new(ResponseBody::own(Bytes::new(), None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(ACCEPT, push::accept_value(&handshake.key));
    push::spawn(handshake, feed, record);
    response
}
