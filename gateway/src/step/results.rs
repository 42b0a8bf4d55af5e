//! `/_headgate/results/<trace-id>`: what came of the event that a request made.

use std::time::Duration;

use headgate_idempotency::http::wish_to_wait;
use headgate_types::TraceId;
use http::{Method, request::Parts};

use crate::{
    edge::{Edge, Snapshot},
    error::Error,
    identity::Credentials,
    publishing::{Owner, Results, ResultsAsk},
    step::target::Target,
};

/// What its paths begin with.
pub(crate) const PREFIX: &str = "/_headgate/results/";

/// The series that a request asks for; none where it asks for something else.
pub(crate) fn asked(parts: &Parts, target: &Target) -> Option<Result<TraceId, Error>> {
    let trace = target.path().strip_prefix(PREFIX)?;
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    Some(match TraceId::from_hex(trace.as_bytes()) {
        Ok(trace) if is_read => Ok(trace),
        _ => Err(Error::NoSeries),
    })
}

/// Looks results up for their owner. With `prefer: wait=SECONDS` it waits for them, up to the
/// edge's time of one exchange.
///
/// # Errors
///
/// [`Error::NoSeries`] for anybody but the owner, [`Error::LogUnavailable`].
pub(crate) async fn find(
    edge: &Edge,
    snapshot: &Snapshot,
    (parts, shown): (&Parts, Credentials<'_>),
    trace: TraceId,
) -> Result<Results, Error> {
    let caller = snapshot.authenticator.identify(shown).await;
    let caller = caller.ok_or(Error::NoSeries)?;
    let log = edge.publisher().ok_or(Error::NoSeries)?;
    let most = snapshot.terms.limits.request_timeout;
    let wait = wish_to_wait(&parts.headers).unwrap_or(Duration::ZERO).min(most);
    let owner = Owner::of(&caller.identity);
    match log.results(ResultsAsk { trace, owner, wait }).await {
        Ok(Results::Unknown) => Err(Error::NoSeries),
        Ok(results) => Ok(results),
        Err(_unavailable) => Err(Error::LogUnavailable),
    }
}
