//! `/v1/tail`: access lines as they come.

use std::{
    convert::Infallible,
    io::Write as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{self, RawQuery},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use headgate_router::filter::{Filter, Known, Members};
use headgate_telemetry::access::{COUNTS, LENGTHS, Line, TEXTS, Tail, Told};
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    api::{Answer, Endpoint, Parameter, State, Takes},
    events::pairs,
    problem::{self, Problem},
};

/// Lines of one answer at most: as many as anybody reads.
const LINES_MAX: u64 = 1_000_000;
/// Between two pieces of an answer: with the room of a queue, the bound of what one who watches
/// costs the edge.
const PIECE_EVERY: Duration = Duration::from_millis(100);
/// An empty line is sent so often where no other comes, so that whoever has left is noticed.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Lines of JSON.
const NDJSON: &str = "application/x-ndjson";

/// Tells access lines as they come.
pub(crate) const TAIL: Endpoint = Endpoint {
    path: "/v1/tail",
    takes: Takes::Get(&[
        Parameter {
            name: "where",
            is_path: false,
            kind: "string",
            summary: "Only lines for which this holds, such as `route==home && outcome!=ok`",
        },
        Parameter {
            name: "limit",
            is_path: false,
            kind: "integer",
            summary: "The answer ends after so many lines, 1 to 1,000,000; must be said",
        },
    ]),
    summary: "Access lines as they come, from now on",
    answers: &[
        Answer {
            status: 200,
            summary: "A line of JSON each; `{\"dropped\":N}` where lines found no room; empty ones \
                      in between",
            content_type: NDJSON,
            schema: None,
        },
        Answer {
            status: 400,
            summary: "The query or the filter can't be read",
            content_type: problem::CONTENT_TYPE,
            schema: Some("Problem"),
        },
        Answer {
            status: 503,
            summary: "As many watch as may",
            content_type: problem::CONTENT_TYPE,
            schema: Some("Problem"),
        },
    ],
    handler: || get(tail),
};

const KNOWN: Known = Known { texts: TEXTS, counts: COUNTS, lengths: LENGTHS };

/// A line as a filter reads it.
struct Read<'a, 'l>(&'a Line<'l>);

impl Members for Read<'_, '_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.text(name)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.0.number(name)
    }
}

/// What a query asks for.
fn ask(query: &str) -> Result<(String, u64), Problem> {
    let (mut filter, mut limit) = (String::new(), None);
    for (name, value) in pairs(query)? {
        match name.as_str() {
            "where" => filter = value,
            "limit" => limit = Some(value.parse().map_err(|_| Problem::BadQuery)?),
            _ => return Err(Problem::BadQuery),
        }
    }
    let limit = limit.filter(|limit| (1..=LINES_MAX).contains(limit)).ok_or(Problem::BadQuery)?;
    Ok((filter, limit))
}

async fn tail(
    extract::State(state): extract::State<State>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (filter, left) = ask(query.as_deref().unwrap_or_default())?;
    let filter = match Filter::parse(&filter, &KNOWN) {
        Ok(filter) => filter,
        Err(error) => {
            let told = format!("at character {}: {error}", error.span().start + 1);
            return Ok(Problem::BadFilter.with_detail(&told));
        }
    };
    let wants = Box::new(move |line: &Line<'_>| filter.holds(&Read(line)));
    let tail = state.tails.follow(wants).ok_or(Problem::TooManyTails)?;
    Ok(([(header::CONTENT_TYPE, NDJSON)], Body::new(Lines::new(tail, left))).into_response())
}

/// The answer's body.
struct Lines {
    tail: Tail,
    /// Lines up to its end.
    left: u64,
    /// Until then nothing is sent.
    pause: Pin<Box<Sleep>>,
    /// Then something is, come what may.
    beat: Pin<Box<Sleep>>,
}

impl Lines {
    fn new(tail: Tail, left: u64) -> Self {
        let now = Instant::now();
        let (pause, beat) = (sleep_until(now), sleep_until(now + HEARTBEAT));
        Self { tail, left, pause: Box::pin(pause), beat: Box::pin(beat) }
    }
}

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        ready!(this.pause.as_mut().poll(context));
        let piece = if let Poll::Ready(told) = this.tail.poll_told(context) {
            piece(told, &mut this.left)
        } else {
            ready!(this.beat.as_mut().poll(context));
            b"\n".to_vec()
        };
        let now = Instant::now();
        this.pause.as_mut().reset(now + PIECE_EVERY);
        this.beat.as_mut().reset(now + HEARTBEAT);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }
}

/// What has come, as far as lines are left to tell.
fn piece(told: Told, left: &mut u64) -> Vec<u8> {
    let Told { mut lines, dropped } = told;
    let mut end = 0;
    for (at, _) in lines.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        if *left == 0 {
            break;
        }
        *left -= 1;
        end = at + 1;
    }
    lines.truncate(end);
    if dropped > 0 {
        // A vector takes any text.
        writeln!(lines, "{{\"dropped\":{dropped}}}").unwrap_or_default();
    }
    lines
}

#[cfg(test)]
mod tests;
