//! What is told of an exchange that has ended, for whoever reads it as an event.

use std::io::Write as _;

use headgate_events::Exchange;
use headgate_telemetry::access::{Detail, Line, Request};

use super::path;

/// Room for a usual exchange, so that its buffer does not grow.
const EXCHANGE_BYTES: usize = 2_048;

/// The access line of an exchange and what is kept beside it, with a path that holds no secret; for
/// how many it stands, and its fact, if it has one.
pub(super) fn of(
    line: &Line<'_>,
    detail: &Detail<'_>,
    weight: u64,
    fact: Option<Vec<u8>>,
) -> Exchange {
    let path = path::masked(line.request.path);
    let line = Line { request: Request { path: &path, ..line.request }, ..*line };
    let mut data = Vec::with_capacity(EXCHANGE_BYTES);
    line.write_with(detail, &mut data);
    data.pop();
    // A vector takes any text.
    write!(data, ",\"weight\":{weight}").unwrap_or_default();
    if let Some(fact) = fact {
        data.extend_from_slice(b",\"facts\":");
        data.extend_from_slice(&fact);
    }
    data.push(b'}');
    Exchange {
        trace_id: line.trace.trace_id,
        span_id: line.trace.span_id,
        time: line.time + line.duration,
        priority: line.priority.unwrap_or_default(),
        data: data.into(),
    }
}
