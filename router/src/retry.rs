//! Whether a failed attempt is tried again.
//!
//! A retry must be able to do no harm, must be worth its time, and must be paid for:
//!
//! * Nothing is tried again once a byte of an answer has gone to the client, past the deadline, or
//!   more often than the route says.
//! * An attempt of which nothing was sent, such as a failed connection, may be tried again for
//!   every method. One that was sent only if it is idempotent and its body can be sent again. That
//!   also holds for 503: Netflix's Zuul retries it for every method, but nothing obliges an origin
//!   to answer 503 only before it has done anything.
//! * An endpoint that asks for more time than a backoff takes gets no retry: its answer, which
//!   says when to come back, goes to the client.
//! * Each retry is charged to the route's [`Budget`] when it is scheduled, not when it is sent:
//!   otherwise a thousand requests that fail at once would all wait for their retry inside a
//!   budget of a hundred.

use std::{fmt, str::FromStr, time::Duration};

use headgate_types::Moment;
use http::{Method, StatusCode};

use crate::ParseError;

mod budget;

pub use budget::Budget;

/// A failure that a route wants to be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// No connection: nothing of the request was sent.
    Connect,
    /// The connection broke before the answer's head.
    Reset,
    /// The attempt's own time ended before the answer's head.
    Timeout,
    /// The endpoint answered with this status: 429, or one from 500 to 599.
    Status(StatusCode),
}

const ALLOWED: &str = "connect, reset, timeout, 429 or a status from 500 to 599";

impl FromStr for Condition {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "connect" => return Ok(Self::Connect),
            "reset" => return Ok(Self::Reset),
            "timeout" => return Ok(Self::Timeout),
            _ => {}
        }
        let fault = |what| ParseError::new(0..text.len(), what, ALLOWED);
        let status = text.parse::<StatusCode>().map_err(|_| fault("no failure"))?;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Ok(Self::Status(status))
        } else {
            Err(fault("a status that is no failure of the endpoint"))
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Status(status) => status.as_str(),
        })
    }
}

/// Whether RFC 9110, 9.2.2 lets a proxy repeat a method by itself.
pub fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// What a route allows to be tried again.
#[derive(Clone, Debug)]
pub struct Policy {
    max: u32,
    on: Box<[Condition]>,
}

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, each read by its name")]
pub struct Attempt {
    /// Attempts made so far, this one included.
    pub number: u32,
    /// How it failed.
    pub failure: Condition,
    /// Whether the request's body can be sent again.
    pub is_replayable: bool,
    /// Whether a second effect would do no harm: by [`is_idempotent`], or because the endpoint
    /// promises to keep a repeated key from having one.
    pub is_idempotent: bool,
    /// Whether anything of the request was sent in this attempt.
    pub is_sent: bool,
    /// Whether any byte of the answer has gone to the client.
    pub is_answered: bool,
    /// Time left. None when the deadline has passed.
    pub remaining: Option<Duration>,
    /// What the endpoint's `retry-after` asks for.
    pub retry_after: Option<Duration>,
}

/// What happens after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this time, on another endpoint where there is one. The budget is charged.
    Retry(Duration),
    /// Answer with the failure.
    Stop(Stop),
}

/// Why there is no retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// A part of the answer has gone to the client.
    Answered,
    /// The route names no such failure.
    NotNamed,
    /// All attempts are used up.
    Attempts,
    /// It was sent, and a second effect could do harm.
    NotIdempotent,
    /// It was sent, and its body can't be sent again.
    NotReplayable,
    /// The endpoint asks for more time than a backoff takes.
    Later,
    /// The deadline would pass first.
    Deadline,
    /// The route's retries are used up for now.
    Budget,
}

impl Stop {
    /// The word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotNamed => "not_named",
            Self::Attempts => "attempts",
            Self::NotIdempotent => "not_idempotent",
            Self::NotReplayable => "not_replayable",
            Self::Later => "later",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The longest first backoff. A device waits meanwhile, so it is short.
const BACKOFF_FIRST: Duration = Duration::from_millis(25);
/// The longest backoff of all.
const BACKOFF_MAX: Duration = Duration::from_millis(250);

impl Policy {
    /// Retries at most `max` times, and only these failures.
    pub fn new(max: u32, on: &[Condition]) -> Self {
        Self { max, on: on.into() }
    }

    /// Decides after a failed attempt, and charges the budget when it says retry.
    ///
    /// `random` must be drawn evenly from all of `u64`.
    pub fn decide(&self, attempt: &Attempt, budget: &Budget, now: Moment, random: u64) -> Decision {
        if let Some(stop) = self.forbids(attempt) {
            return Decision::Stop(stop);
        }
        let wait = backoff(attempt, random);
        if attempt.remaining.is_none_or(|remaining| remaining <= wait) {
            return Decision::Stop(Stop::Deadline);
        }
        // Last, so that only a retry that will be made is paid for.
        if !budget.charge(now, random) {
            return Decision::Stop(Stop::Budget);
        }
        Decision::Retry(wait)
    }

    fn forbids(&self, attempt: &Attempt) -> Option<Stop> {
        let rules = [
            (attempt.is_answered, Stop::Answered),
            (!self.on.contains(&attempt.failure), Stop::NotNamed),
            (attempt.number > self.max, Stop::Attempts),
            (attempt.is_sent && !attempt.is_idempotent, Stop::NotIdempotent),
            (attempt.is_sent && !attempt.is_replayable, Stop::NotReplayable),
            (attempt.retry_after.is_some_and(|after| after > BACKOFF_MAX), Stop::Later),
        ];
        rules.into_iter().find_map(|(is_forbidden, stop)| is_forbidden.then_some(stop))
    }
}

/// Full jitter (Brooker, "Exponential Backoff And Jitter"): evenly from zero to a bound that
/// doubles with each attempt, but not before the endpoint asks for. Where nothing was sent there is
/// nothing to let rest, and another endpoint is asked at once.
fn backoff(attempt: &Attempt, random: u64) -> Duration {
    let asked = attempt.retry_after.unwrap_or_default();
    if !attempt.is_sent {
        return asked;
    }
    let doublings = attempt.number.saturating_sub(1).min(u32::BITS - 1);
    let bound = BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    let share = random as f64 / u64::MAX as f64;
    bound.mul_f64(share).max(asked)
}

#[cfg(test)]
mod tests;
