//! Whether a failed attempt is made again, and when.

use std::time::Duration;

use headgate_router::retry::{self, Condition, Decision};
use http::{Response, StatusCode, header::RETRY_AFTER};
use hyper::body::Incoming;

use super::Failed;
use crate::{
    edge::{Edge, Route},
    step::dispatch::Outgoing,
};

/// The wait before the next attempt, if there is to be one.
pub(super) fn decide(
    edge: &Edge,
    route: &Route,
    outgoing: &Outgoing<'_>,
    number: u32,
    failed: &Failed,
) -> Option<Duration> {
    let facts = facts(edge, outgoing, number, failed.condition?, failed.is_sent);
    retry_of(edge, route, &facts)
}

/// The same after an answer that says that it can't.
pub(super) fn retry_on_status(
    edge: &Edge,
    route: &Route,
    outgoing: &Outgoing<'_>,
    number: u32,
    response: &Response<Incoming>,
) -> Option<Duration> {
    let status = response.status();
    if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let mut facts = facts(edge, outgoing, number, Condition::Status(status), true);
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    facts.retry_after = after.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    retry_of(edge, route, &facts)
}

fn facts(
    edge: &Edge,
    outgoing: &Outgoing<'_>,
    number: u32,
    failure: Condition,
    is_sent: bool,
) -> retry::Attempt {
    retry::Attempt {
        number,
        failure,
        is_replayable: outgoing.has_next(),
        is_idempotent: outgoing.is_idempotent,
        is_sent,
        is_answered: false,
        remaining: outgoing.deadline.remaining(edge.clock.now()),
        retry_after: None,
    }
}

fn retry_of(edge: &Edge, route: &Route, facts: &retry::Attempt) -> Option<Duration> {
    let decision = route.retry.decide(facts, &route.budget, edge.clock.now(), fastrand::u64(..));
    match decision {
        Decision::Retry(wait) => Some(wait),
        Decision::Stop(_) => None,
    }
}
