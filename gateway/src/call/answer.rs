//! What a function's answer means.

use std::time::Duration;

use bytes::Bytes;
use headgate_idempotency::Fault;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};

/// The content type of an answer that says more than a result.
const OUTCOME: &str = "application/vnd.headgate.outcome+json";
/// Characters of an answer that a fault shows.
const SHOWN_CHARS_MAX: usize = 200;
/// What a function emits at once at most.
const EMITTED_MAX: usize = 90;

/// A function's answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What a function wants to take effect.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Box<RawValue>,
    pub(super) emit: Vec<Emit>,
    pub(super) push: Option<Box<RawValue>>,
}

/// An event that a function emits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Emit {
    pub(super) topic: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// None: that of the handled event.
    #[serde(default)]
    pub(super) key: Option<String>,
    pub(super) data: Box<RawValue>,
}

/// What is pushed to whoever waits for a series.
#[derive(Debug, Serialize)]
pub(super) struct Pushed<'a> {
    pub(super) handler: &'a str,
    pub(super) push: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    emit: Vec<Emit>,
    #[serde(default)]
    push: Option<Box<RawValue>>,
}

impl Answer {
    /// What is to take effect.
    ///
    /// # Errors
    ///
    /// [`Fault::Retry`] for 409, 425, 429 and 5xx, not before the time that `retry-after` names,
    /// and for an answer that says it is an outcome and is none; [`Fault::Terminal`] for any other
    /// status but 2xx.
    pub(super) fn outcome(&self) -> Result<Outcome, Fault> {
        let status = self.status;
        if status.is_success() {
            return self.success();
        }
        let said = format!("the function answered {}{}", status.as_u16(), self.shown());
        let is_retried = status.is_server_error() || matches!(status.as_u16(), 409 | 425 | 429);
        if !is_retried {
            return Err(Fault::terminal(said));
        }
        Err(match self.retry_after() {
            Some(after) => Fault::retry_after(after, said),
            None => Fault::retry(said),
        })
    }

    fn success(&self) -> Result<Outcome, Fault> {
        let kind = self.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if kind.eq_ignore_ascii_case(OUTCOME.as_bytes()) {
            // A list would be read as an object's members in their order.
            if !self.body.trim_ascii_start().starts_with(b"{") {
                return Err(Fault::retry("the function's outcome is no JSON object"));
            }
            let read = serde_json::from_slice::<Written>(&self.body);
            let written = read.map_err(|error| {
                Fault::retry(format!("the function's outcome can't be read: {error}"))
            })?;
            if written.emit.len() > EMITTED_MAX {
                let count = written.emit.len();
                let said = format!("{count} events are emitted, and at most {EMITTED_MAX} can be");
                return Err(Fault::retry(said));
            }
            let result = written.result.map_or_else(null, Ok)?;
            return Ok(Outcome { result, emit: written.emit, push: written.push });
        }
        let result = self.result()?;
        Ok(Outcome { result, emit: Vec::new(), push: None })
    }

    /// The body as JSON: as it is, or as one text.
    fn result(&self) -> Result<Box<RawValue>, Fault> {
        if self.body.is_empty() {
            return null();
        }
        if let Ok(json) = serde_json::from_slice::<Box<RawValue>>(&self.body) {
            return Ok(json);
        }
        let text = json!(String::from_utf8_lossy(&self.body));
        serde_json::value::to_raw_value(&text).map_err(Fault::retry)
    }

    /// A date is not read: the function's clock is not ours.
    fn retry_after(&self) -> Option<Duration> {
        let after = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        after.trim().parse().ok().map(Duration::from_secs)
    }

    /// The start of a body that is a text, in one line.
    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line: String = text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect();
        if line.is_empty() { line } else { format!(": {line}") }
    }
}

fn null() -> Result<Box<RawValue>, Fault> {
    serde_json::value::to_raw_value(&()).map_err(Fault::retry)
}

#[cfg(test)]
mod tests;
