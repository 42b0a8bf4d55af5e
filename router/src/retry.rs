//! Whether a failed attempt is tried again.

use std::{fmt, str::FromStr, time::Duration};

use headgate_types::{Moment, Ratio};
use http::StatusCode;

use crate::ParseError;

/// A failure that a route wants to be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// No connection: nothing of the request was sent.
    Connect,
    /// The connection broke before the answer's head.
    Reset,
    /// The attempt's own time ended before the answer's head.
    Timeout,
    /// The endpoint answered with this status: 429, or from 500 to 599.
    Status(StatusCode),
}

impl FromStr for Condition {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "connect" => Ok(Self::Connect),
            "reset" => Ok(Self::Reset),
            "timeout" => Ok(Self::Timeout),
            status => status
                .parse()
                .ok()
                .filter(|status: &StatusCode| {
                    status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
                })
                .map(Self::Status)
                .ok_or_else(|| ParseError::new(0..text.len(), "no failure", ALLOWED)),
        }
    }
}

const ALLOWED: &str =
    "\"connect\", \"reset\", \"timeout\", \"429\" or a status from \"500\" to \"599\"";

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect"),
            Self::Reset => f.write_str("reset"),
            Self::Timeout => f.write_str("timeout"),
            Self::Status(status) => f.write_str(status.as_str()),
        }
    }
}

/// What a route allows to be tried again.
#[derive(Clone, Debug)]
pub struct Policy {}

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Attempts made so far, this one included.
    pub number: u32,
    /// How it failed.
    pub failure: Condition,
    /// Whether the request's body can be sent again.
    pub is_replayable: bool,
    /// Whether a second effect would do no harm.
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
    /// Try again after this time, on another endpoint where there is one.
    Retry(Duration),
    /// Answer with the failure.
    Stop(Stop),
}

/// Why there is no retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All attempts are used up.
    Attempts,
}

/// Retries allowed, as a share of requests.
#[derive(Debug)]
pub struct Budget {}

impl Budget {
    /// A budget of that share.
    pub fn new(_share: Ratio, _now: Moment) -> Self {
        Self {}
    }
}

impl Policy {
    /// Retries at most `max` times on these failures.
    pub fn new(_max: u32, _on: &[Condition]) -> Self {
        Self {}
    }

    /// Decides after a failed attempt; charges the budget when it says retry.
    pub fn decide(&self, _: &Attempt, _: &Budget, _now: Moment, _random: u64) -> Decision {
        Decision::Stop(Stop::Attempts)
    }
}
