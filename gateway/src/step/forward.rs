//! Asks an endpoint, and another one where that is allowed, until there is an answer.

mod again;

use std::{pin::pin, sync::Arc, time::Duration};

use headgate_router::{
    balance::{Call, End},
    deadline,
    overload::breaker,
    retry::Condition,
};
use headgate_telemetry::{
    AttemptResult,
    access::{self, Mark},
};
use headgate_types::Moment;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper::body::Incoming;

use self::again::{decide, retry_on_status};
use crate::{
    body::{Pace, RequestBody},
    connection::Connection,
    edge::{Edge, Route},
    error::Error,
    headers,
    overload::{Permits, judged},
    record::Record,
    step::{
        choose::{Chosen, Tried, choose},
        dispatch::Outgoing,
    },
    tunnel::Switch,
    upstream::{self, ConnectError, Lease, SendError, Upstream},
};

/// How often one attempt is begun anew, unseen, because nothing of it had an effect.
const UNSEEN_MAX: u32 = 3;

/// The origin's answer and what hangs on it.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    pub(crate) call: Call,
    /// None where the answer may last for as long as it likes.
    pub(crate) permits: Option<Permits>,
    pub(crate) pace: Pace,
    /// The client's half of a WebSocket.
    pub(crate) upgrade: Option<Switch>,
}

/// One attempt's end without an answer.
struct Failed {
    error: Error,
    result: AttemptResult,
    /// What a route may have asked to be retried. None ends the exchange.
    condition: Option<Condition>,
    is_sent: bool,
}

impl Failed {
    /// Whether the endpoint is to blame, and not the edge's own limit or the client's haste.
    fn is_endpoints(&self) -> bool {
        !matches!(self.error, Error::ConnectionsExhausted | Error::DeadlineExceeded)
    }
}

/// Calls the route's upstream until it answers, or nothing more may be tried.
///
/// # Errors
///
/// The last attempt's failure, [`Error::DeadlineExceeded`] or [`Error::NoEndpoint`].
///
/// # Cancel safety
///
/// Dropping it cancels the attempt under way at its endpoint.
pub(crate) async fn forward(
    edge: &Arc<Edge>,
    connection: &Connection,
    route: &Route,
    record: &mut Record,
    outgoing: &mut Outgoing<'_>,
) -> Result<Answer, Error> {
    let mut now = edge.clock.now();
    let upstream = route.upstream(record.arm()).ok_or(Error::NoEndpoint)?;
    record.mark_at(Mark::Dispatched, now);
    let mut tried = Tried::by(outgoing.key);
    let mut number = 0;
    loop {
        number += 1;
        let Some(remaining) = outgoing.deadline.remaining(now) else {
            return Err(outgoing.fails(Error::DeadlineExceeded, now));
        };
        let chosen = choose(upstream, record, &mut tried, now);
        let Chosen { mut call, passed } = chosen.map_err(|error| outgoing.fails(error, now))?;
        let limit = deadline::attempt_timeout(route.settings.try_timeout, remaining);
        let mut attempt = Attempt::new(upstream, record, number, call.endpoint(), now);
        let asked = {
            let ask = pin!(attempt.ask(edge, outgoing, remaining));
            connection.timer.within(limit, ask).await
        };
        let failed = match asked {
            Some(Ok((response, lease))) => {
                let status = response.status();
                let head_at = attempt.began + attempt.head.unwrap_or_default();
                call.answered(head_at, judged::by_balancer(status));
                passed.ended(head_at, judged::by_breaker(status));
                let decision = retry_on_status(edge, route, outgoing, number, &response);
                attempt.end(record, answered(status), head_at);
                let Some(wait) = decision else {
                    if matches!(judged::by_balancer(status), End::Success) {
                        succeeded(route, outgoing, number, head_at);
                    }
                    record.mark_at(Mark::UpstreamHead, head_at);
                    record.answered_at(status, head_at);
                    return Ok(answer(record, outgoing, (response, head_at), lease, call));
                };
                drop((response, lease, call));
                now = wait_for_retry(edge, wait).await;
                continue;
            }
            Some(Err(failed)) => failed,
            None => timed_out(limit >= remaining, outgoing, attempt.is_sent),
        };
        let failed_at = edge.clock.now();
        attempt.end(record, failed.result, failed_at);
        let is_clients = outgoing.waits_for_client();
        if !is_clients {
            call.finish(failed_at, End::Failure);
        }
        if let Some(error) = outgoing.body_fault() {
            return Err(outgoing.fails(error, failed_at));
        }
        if failed.is_endpoints() && !is_clients {
            passed.ended(failed_at, breaker::End::Failure);
        }
        match decide(edge, route, outgoing, number, &failed) {
            Some(wait) => now = wait_for_retry(edge, wait).await,
            None => return Err(outgoing.fails(failed.error, failed_at)),
        }
    }
}

/// Returns the moment at which the next attempt begins.
async fn wait_for_retry(edge: &Edge, wait: Duration) -> Moment {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    edge.clock.now()
}

/// One attempt at one endpoint.
struct Attempt<'a> {
    upstream: &'a Arc<Upstream>,
    number: u32,
    endpoint: usize,
    /// Since the request's head.
    started: Duration,
    began: Moment,
    connect: Option<Duration>,
    head: Option<Duration>,
    is_sent: bool,
}

impl<'a> Attempt<'a> {
    fn new(
        upstream: &'a Arc<Upstream>,
        record: &mut Record,
        number: u32,
        endpoint: usize,
        began: Moment,
    ) -> Self {
        if number == 1 {
            record.mark_at(Mark::AttemptStarted, began);
        }
        let started = began.since(record.started());
        Self {
            upstream,
            number,
            endpoint,
            started,
            began,
            connect: None,
            head: None,
            is_sent: false,
        }
    }

    /// Sends the request on a kept connection, or on a new one; one that had died while it was
    /// kept is replaced unseen.
    async fn ask(
        &mut self,
        edge: &Edge,
        outgoing: &mut Outgoing<'_>,
        remaining: Duration,
    ) -> Result<(Response<Incoming>, Lease), Failed> {
        let is_repeatable = outgoing.is_replayable && outgoing.is_idempotent;
        let upstream = self.upstream;
        let mut lease = Lease::take(upstream, self.endpoint, is_repeatable).await;
        let mut unseen = 0;
        loop {
            let mut connection = lease.map_err(|error| no_connection(&error))?;
            if !connection.is_reused || connection.has_waited {
                self.connect = Some(edge.clock.now().since(self.began));
            }
            if !outgoing.has_next() {
                return Err(LOST);
            }
            self.is_sent = true;
            let number = self.number;
            let grpc_left = outgoing.grpc_deadline.and_then(|end| end.remaining(edge.clock.now()));
            let left = (remaining, grpc_left);
            let sent = connection.send(|| Some(stamp(outgoing.next()?, number, left))).await;
            let ended = match sent {
                Ok(response) => {
                    let head = edge.clock.now().since(self.began);
                    self.head = Some(head);
                    upstream.metrics.answered(head);
                    return Ok((response, connection));
                }
                Err(SendError::Unsent(request)) => {
                    self.is_sent = false;
                    if let Some(request) = request {
                        outgoing.restore(*request);
                    }
                    if !connection.is_reused || unseen >= UNSEEN_MAX {
                        return Err(CLOSED_AT_ONCE);
                    }
                    AttemptResult::Stale
                }
                // Another connection takes it, or the same once it has room.
                Err(SendError::Refused) if outgoing.has_next() && unseen < UNSEEN_MAX => {
                    self.is_sent = false;
                    AttemptResult::Refused
                }
                Err(SendError::Refused) => return Err(REFUSED),
                Err(SendError::Sent(error)) => {
                    let died_idle = connection.is_reused && is_closed_early(&error);
                    if !(died_idle && is_repeatable && unseen < UNSEEN_MAX) {
                        return Err(why(&error));
                    }
                    AttemptResult::Stale
                }
            };
            unseen += 1;
            upstream.metrics.attempted(ended);
            lease = Box::pin(Lease::retake(upstream, self.endpoint)).await;
        }
    }

    fn end(self, record: &mut Record, result: AttemptResult, at: Moment) {
        let Self { started, began, connect, head, .. } = self;
        if let Some(connect) = connect {
            record.mark_at(Mark::Connected, began + connect);
        }
        let address = self.upstream.addresses.get(self.endpoint).cloned();
        let endpoint = address.unwrap_or_else(|| "".into());
        let took = at.since(began);
        record.attempted(access::Attempt { endpoint, started, connect, head, took, result });
    }
}

/// Says what only this attempt knows.
fn stamp(
    mut request: Request<RequestBody>,
    number: u32,
    (remaining, grpc_left): (Duration, Option<Duration>),
) -> Request<RequestBody> {
    let headers = request.headers_mut();
    headers.insert(headers::ATTEMPT, headers::attempt_value(number));
    headers.insert(headers::DEADLINE, headers::millis_value(deadline::to_millis(remaining)));
    if let Some(value) =
        grpc_left.and_then(|left| HeaderValue::try_from(deadline::to_grpc(left)).ok())
    {
        headers.insert(headers::GRPC_TIMEOUT, value);
    }
    request
}

/// A request that was sent and can't be sent again: only reached if a caller forgot to ask.
const LOST: Failed = Failed {
    error: Error::Internal("no request left to send"),
    result: AttemptResult::Cancelled,
    condition: None,
    is_sent: true,
};

/// A new connection that closed before it took the request.
const CLOSED_AT_ONCE: Failed = Failed {
    error: Error::Reset,
    result: AttemptResult::Reset,
    condition: Some(Condition::Reset),
    is_sent: false,
};

/// A request that the endpoint did nothing with, and that can't be given to it again.
const REFUSED: Failed = Failed {
    error: Error::Reset,
    result: AttemptResult::Refused,
    condition: Some(Condition::Reset),
    is_sent: false,
};

fn no_connection(failed: &ConnectError) -> Failed {
    let result = failed.result();
    let error = match result {
        AttemptResult::Exhausted => Error::ConnectionsExhausted,
        AttemptResult::Untrusted => Error::Untrusted,
        AttemptResult::Tls => Error::Tls,
        _ => Error::Connect,
    };
    Failed { error, result, condition: Some(Condition::Connect), is_sent: false }
}

fn why(error: &hyper::Error) -> Failed {
    let (error, result) = if error.is_parse() || error.is_parse_too_large() {
        (Error::Garbled, AttemptResult::Garbled)
    } else if upstream::is_tls(error) {
        (Error::Tls, AttemptResult::Tls)
    } else {
        (Error::Reset, AttemptResult::Reset)
    };
    Failed { error, result, condition: Some(Condition::Reset), is_sent: true }
}

/// Whether the endpoint closed before it said anything, as one does to an idle connection.
fn is_closed_early(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_io(error)
}

fn is_io(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// The attempt had all the time that was left, or as much as one attempt may take.
fn timed_out(is_last: bool, outgoing: &Outgoing<'_>, is_sent: bool) -> Failed {
    let error = if is_last { outgoing.late } else { Error::AttemptTimeout };
    let condition = (!is_last).then_some(Condition::Timeout);
    Failed { error, result: AttemptResult::Timeout, condition, is_sent }
}

/// Tells the route's budget and throttle of a success.
fn succeeded(route: &Route, outgoing: &Outgoing<'_>, number: u32, now: Moment) {
    if number == 1 {
        route.budget.deposit(now);
    }
    if let Some(pass) = outgoing.permits.as_ref().and_then(Permits::tried) {
        route.throttle.succeeded(pass, now);
    }
}

fn answered(status: StatusCode) -> AttemptResult {
    if status.is_server_error() { AttemptResult::Origin5xx } else { AttemptResult::Ok }
}

fn answer(
    record: &mut Record,
    outgoing: &mut Outgoing<'_>,
    (response, head_at): (Response<Incoming>, Moment),
    lease: Lease,
    call: Call,
) -> Answer {
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let streams = outgoing.is_grpc || kind.starts_with(b"text/event-stream");
    let pace = if streams {
        Pace::Streaming(record.stream_idle())
    } else {
        Pace::By(outgoing.deadline, outgoing.late)
    };
    let permits = outgoing.answered(response.status(), (streams, head_at));
    if permits.is_none() {
        record.lasts(head_at);
    }
    Answer { response, lease, call, permits, pace, upgrade: outgoing.upgrade.take() }
}
