//! The client's side of HTTP/1.1, as little of it as a load needs.

use anyhow::{Context, Result, bail};

#[cfg(test)]
mod tests;

/// Headers of an answer; the edge adds four to the origin's three.
const HEADERS_MAX: usize = 64;

/// One whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Bytes of head and body.
    pub(crate) bytes: usize,
    /// The status is 2xx.
    pub(crate) is_success: bool,
    /// The server closes the connection behind it.
    pub(crate) closes: bool,
}

/// A request, ready to be sent as often as wanted.
pub(crate) fn request(path: &str, token: Option<&str>) -> Vec<u8> {
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nhost: load.example\r\nuser-agent: headgate-load\r\naccept: */*\r\n"
    );
    if let Some(token) = token {
        head.push_str("authorization: Bearer ");
        head.push_str(token);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Reads the answer's head as soon as it is complete; the body may still be on its way.
///
/// # Errors
///
/// It is no HTTP/1.1, or has no content-length: the origin sends one, so a proxy has lost it.
pub(crate) fn answer(received: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) =
        head.parse(received).context("not an HTTP/1.1 answer")?
    else {
        return Ok(None);
    };
    let mut body_bytes = None;
    let mut closes = false;
    for header in head.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            body_bytes = std::str::from_utf8(header.value).ok().and_then(|text| text.parse().ok());
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    let Some(body_bytes) = body_bytes else { bail!("an answer without content-length") };
    let bytes = head_bytes.checked_add(body_bytes).context("an answer too long to count")?;
    let is_success = head.code.is_some_and(|code| (200..300).contains(&code));
    Ok(Some(Answer { bytes, is_success, closes }))
}
