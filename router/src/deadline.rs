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

/// Digits of a `grpc-timeout`.
const GRPC_DIGITS_MAX: usize = 8;
/// The largest number that they can say.
const GRPC_NUMBER_MAX: u64 = 99_999_999;

/// Reads the value of `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP/2,
/// "Requests").
///
/// None for anything else, which is ignored as other wishes are.
pub fn parse_grpc(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.len() > GRPC_DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) || digits.is_empty()
    {
        return None;
    }
    let number = digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3_600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Writes a `grpc-timeout`, rounded down to milliseconds, or to seconds where there are too many;
/// never zero, which would say that the time is over.
pub fn to_grpc(remaining: Duration) -> String {
    let millis = to_millis(remaining);
    if millis <= GRPC_NUMBER_MAX {
        return format!("{millis}m");
    }
    format!("{}S", remaining.as_secs().min(GRPC_NUMBER_MAX))
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
