//! How long an exchange, and one attempt in it, may take.

use std::time::Duration;

use headgate_types::{Deadline, Moment};

/// More digits than `u64` has need no reading: they ask for more than any route grants.
const DIGITS_MAX: usize = 19;

/// Reads the value of `headgate-deadline-ms`: milliseconds that the sender will still wait, as
/// digits only.
///
/// None for anything else. Such a wish is ignored and the route's timeout stands: the header only
/// ever shortens, so that no harm comes from a client that spells it wrong.
pub fn parse_wish(value: &[u8]) -> Option<Duration> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if !is_number {
        return None;
    }
    let zeros = value.iter().take_while(|digit| **digit == b'0').count();
    let (_, significant) = value.split_at(zeros);
    if significant.len() > DIGITS_MAX {
        return Some(Duration::MAX);
    }
    let millis = significant.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(Duration::from_millis(millis))
}

/// The deadline of an exchange: the route's timeout, or the client's wish where that is shorter.
///
/// A wish of zero has passed already.
pub fn effective(started: Moment, timeout: Duration, wish: Option<&[u8]>) -> Deadline {
    let wish = wish.and_then(parse_wish).unwrap_or(Duration::MAX);
    Deadline::after(started, timeout.min(wish))
}

/// The time of one attempt: the route's own, but never past the deadline. None means what is left.
pub fn attempt_timeout(try_timeout: Option<Duration>, remaining: Duration) -> Duration {
    try_timeout.unwrap_or(remaining).min(remaining)
}

/// What is handed on as `headgate-deadline-ms`: rounded down, so that the endpoint gives up no
/// later than the edge, but never 0, which would say that the time is over.
pub fn to_millis(remaining: Duration) -> u64 {
    u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests;
