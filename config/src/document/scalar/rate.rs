//! Rates, and the names of routes, as texts.

use std::{num::NonZeroU32, time::Duration};

use super::{digits, is_name};

/// The letters of a rate's periods.
const PERIODS: [(&str, Duration); 3] =
    [("s", Duration::from_secs(1)), ("m", Duration::from_mins(1)), ("h", Duration::from_hours(1))];
/// More in one period would leave too little time between two requests to count in.
const RATE_REQUESTS_MAX: u32 = 1_000_000;

/// Reads requests in a second, minute or hour.
pub(super) fn read_rate(text: &str) -> Option<(NonZeroU32, Duration)> {
    let (requests, period) = text.split_once('/')?;
    let requests =
        u32::try_from(digits(requests)?).ok().filter(|count| *count <= RATE_REQUESTS_MAX);
    let period = PERIODS.iter().find(|(letter, _)| *letter == period)?.1;
    Some((NonZeroU32::new(requests?)?, period))
}

/// Writes what [`read_rate`] reads.
pub(super) fn write_rate(requests: NonZeroU32, period: Duration) -> String {
    let letter = PERIODS.iter().find(|(_, length)| *length == period).map_or("s", |(it, _)| it);
    format!("{requests}/{letter}")
}

/// Reads a team and its route.
pub(super) fn read_route_id(text: &str) -> Option<(String, String)> {
    let (team, route) = text.split_once('/')?;
    (is_name(team) && is_name(route)).then(|| (team.to_owned(), route.to_owned()))
}
