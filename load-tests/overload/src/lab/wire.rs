//! HTTP/1.1 as the load speaks it, on both sides of the edge.

use anyhow::{Context, Result, bail};

/// Says when the client stops waiting, in nanoseconds since the run began. For the origin's figures
/// alone: the edge passes it on like any header.
pub(crate) const EXPIRES: &str = "x-load-expires";
const HEADERS_MAX: usize = 64;

/// What the origin reads of a request.
#[derive(Debug)]
pub(crate) struct Request {
    /// The last segment of the path, which chooses the service.
    pub(crate) service: usize,
    /// The edge's number of the attempt, from one.
    pub(crate) attempt: u64,
    /// When its client stops waiting, in nanoseconds since the run began.
    pub(crate) expires: Option<u64>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Call,
    Events,
    WebSocket,
}

impl Request {
    /// The head of an answer that does not end, to a request for one.
    pub(crate) fn stream_answer(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Call => None,
            Kind::Events => {
                Some("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n")
            }
            Kind::WebSocket => Some(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            ),
        }
    }
}

/// Reads a request's head once it is whole. No request here has a body.
///
/// # Errors
///
/// It is no HTTP/1.1.
pub(crate) fn request(received: &[u8]) -> Result<Option<Request>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    if head.parse(received).context("not a request")?.is_partial() {
        return Ok(None);
    }
    let last = head.path.and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let kind = match last {
        "events" => Kind::Events,
        "websocket" => Kind::WebSocket,
        _ => Kind::Call,
    };
    let number = |name: &str| {
        let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()?.parse().ok()
    };
    Ok(Some(Request {
        service: last.parse().unwrap_or_default(),
        attempt: number("headgate-attempt").unwrap_or(1),
        expires: number(EXPIRES),
        kind,
    }))
}

/// The head of an origin's answer.
pub(crate) fn answer_head(status: u16, body_bytes: usize) -> String {
    format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: text/plain\r\ncontent-length: {body_bytes}\r\n\r\n"
    )
}

/// The head of an answer as the client reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Bytes of the head.
    pub(crate) head_bytes: usize,
    /// Bytes of the body; none for an answer that does not end.
    pub(crate) body_bytes: Option<usize>,
    /// Whether the connection ends behind it.
    pub(crate) closes: bool,
    /// Whether the edge made it up itself, for lack of an answer.
    pub(crate) is_edges: bool,
}

/// Reads an answer's head once it is whole.
///
/// # Errors
///
/// It is no HTTP/1.1.
pub(crate) fn answer(received: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(received).context("not an answer")?
    else {
        return Ok(None);
    };
    let (mut body_bytes, mut closes, mut is_edges) = (None, false, false);
    for header in head.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            body_bytes = std::str::from_utf8(header.value).ok().and_then(|text| text.parse().ok());
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes = header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case("proxy-status") {
            is_edges = true;
        }
    }
    let Some(status) = head.code else { bail!("an answer without a status") };
    Ok(Some(Answer { status, head_bytes, body_bytes, closes, is_edges }))
}

#[cfg(test)]
mod tests;
