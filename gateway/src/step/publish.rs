//! Makes an event of a request, and answers when it is durable.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_idempotency::{
    Claim, OnLost, Scope,
    http::{self as keys, Key},
    root_id,
};
use headgate_router::{deadline, event_key::Asked};
use headgate_types::{Event, Root};
use http::{HeaderValue, request::Parts};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    body::{ClientBody, RequestBodyLimits},
    error::Error,
    headers,
    publishing::{NotPublished, Owner, Publication, Publish, Published, Results, ResultsAsk},
    record::Record,
    settings,
    step::{
        dispatch::{self, Context},
        idempotency::collect,
    },
};

/// How long an append may take. One to the embedded log takes milliseconds.
const APPEND_WAIT: Duration = Duration::from_secs(5);
/// The claim of a publication is settled by the write that makes it, so its lease is never waited
/// for.
const LEASE: Duration = Duration::from_secs(30);

/// An event was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) published: Published,
    /// What came of it in time. None: it was not waited for, or handlers are still at work.
    pub(crate) results: Option<Bytes>,
}

/// Makes an event of a request and appends it, then waits for results where the route says so.
///
/// # Errors
///
/// [`Error::KeyMissing`], [`Error::KeyMalformed`] and [`Error::KeyConflict`] of the
/// `idempotency-key`, [`Error::EventRejected`] where the body makes no event, the errors of a body
/// that is too large, too slow or broken, [`Error::NoRoomForData`] and [`Error::LogUnavailable`].
///
/// # Cancel safety
///
/// Dropped after the body was read, the event may be appended all the same.
pub(crate) async fn publish(
    context: &Context<'_>,
    publish: &settings::Publish,
    record: &mut Record,
    parts: &Parts,
    body: ClientBody,
) -> Result<Taken, Error> {
    let key = Key::of(&parts.headers).map_err(|fault| Error::KeyMalformed(fault.as_str()))?;
    if key.is_none() && publish.is_key_required {
        return Err(Error::KeyMissing);
    }
    let wish = parts.headers.get(headers::DEADLINE).map(HeaderValue::as_bytes);
    let deadline = deadline::effective(record.started(), context.route.timeout, wish);
    let left = || deadline.remaining(context.edge.clock.now()).ok_or(Error::DeadlineExceeded);
    let limits = RequestBodyLimits {
        bytes_max: publish.body_bytes_max.as_bytes(),
        idle: context.snapshot.terms.limits.body_idle,
    };
    dispatch::refuse_declared_length(&parts.headers, limits)?;
    let body = timeout(left()?, collect(record, body, limits)).await;
    let body = body.map_err(|_elapsed| Error::BodyTimeout)??;
    let mut event = event(context, publish, record, (parts, key.as_ref(), body))?;
    event.priority = record.priority().class();
    event.probe = record.probe().cloned();
    let caller = context.caller.map(|caller| Owner::of(&caller.identity));
    event.owner = caller.map(|owner| owner.as_str().into());
    let log = context.edge.publisher().ok_or(Error::LogUnavailable)?;
    let publication = publication(context, publish, (parts, key.as_ref()), event)?;
    let owner = publication.owner.clone();
    let appending = timeout(APPEND_WAIT.min(left()?), log.publish(publication)).await;
    let published = match appending {
        Ok(Ok(published)) => published,
        Ok(Err(NotPublished::Conflict)) => return Err(Error::KeyConflict),
        Ok(Err(NotPublished::Invalid)) => {
            return Err(Error::EventRejected("no log takes such an event"));
        }
        Ok(Err(NotPublished::NoRoom)) => return Err(Error::NoRoomForData),
        // Whether it was appended is not known after the time is up; a repeat with the key tells.
        Ok(Err(NotPublished::Unavailable)) | Err(_) => return Err(Error::LogUnavailable),
    };
    let wait = keys::wish_to_wait(&parts.headers).unwrap_or(publish.wait);
    let results = match deadline.remaining(context.edge.clock.now()) {
        Some(left) if !wait.is_zero() => {
            let (trace, wait) = (published.trace, wait.min(left));
            results(&*log, ResultsAsk { trace, owner, wait }).await
        }
        _ => None,
    };
    Ok(Taken { published, results })
}

/// The results that come in time. A store that does not answer costs the results and not the
/// acknowledgement: the event is durable.
async fn results(log: &dyn Publish, ask: ResultsAsk) -> Option<Bytes> {
    let wait = ask.wait;
    match timeout(wait, log.results(ask)).await {
        Ok(Ok(Results::Settled(results))) => Some(results),
        _ => None,
    }
}

fn event(
    context: &Context<'_>,
    publish: &settings::Publish,
    record: &Record,
    (parts, key, body): (&Parts, Option<&Key>, Bytes),
) -> Result<Event, Error> {
    if body.is_empty() {
        return Err(Error::EventRejected("the request has no body, and so no data"));
    }
    let json: Value = serde_json::from_slice(&body)
        .map_err(|_| Error::EventRejected("the body is no JSON, and so no data"))?;
    let identity = context.caller.map(|caller| &caller.identity);
    let asked = Asked {
        body: &json,
        headers: &parts.headers,
        device_id: identity.map(|identity| &*identity.device_id),
        user: identity.map(|identity| &*identity.subject),
    };
    let found = publish.key.find(&asked);
    let partition_key = found.map_err(|none| Error::EventRejected(none.as_str()))?;
    let (team, route) = (&context.route.settings.team, &context.route.settings.name);
    let id = match key {
        // A repeat at any edge makes the same event.
        Some(key) => {
            let principal = identity.map(Owner::of);
            let principal = principal.as_ref().map_or("", Owner::as_str);
            // The key is ASCII.
            root_id(principal, &format!("{team}/{route}"), &String::from_utf8_lossy(key.as_bytes()))
        }
        None => fresh_id(),
    };
    let (trace_id, span_id) = record.trace_and_span();
    let root = Root {
        id: id.into(),
        source: format!("/hg/edge/{team}/{route}").into(),
        kind: Arc::clone(&publish.kind),
        partition_key: partition_key.into(),
        time: context.edge.clock.unix_time(),
        trace_id,
        span_id,
    };
    let mut event = Event::root(root, body);
    event.is_sampled = record.is_sampled();
    Ok(event)
}

/// An id that nobody else draws: 160 random bits.
fn fresh_id() -> String {
    let (high, low, rest) = (fastrand::u64(..), fastrand::u64(..), fastrand::u32(..));
    format!("{high:016x}{low:016x}{rest:08x}")
}

fn publication(
    context: &Context<'_>,
    publish: &settings::Publish,
    (parts, key): (&Parts, Option<&Key>),
    event: Event,
) -> Result<Publication, Error> {
    let identity = context.caller.map(|caller| &caller.identity);
    let owner = identity.map_or_else(|| Owner::nobody(&event.id), Owner::of);
    let claim = match key {
        None => None,
        Some(key) => {
            let settings = &context.route.settings;
            let unnamed = |_| Error::Internal("a caller's key can't be named");
            let scope: Scope = keys::scope(&settings.team, &settings.name).map_err(unnamed)?;
            let caller =
                identity.map(|one| keys::Caller { source: &one.source, subject: &one.subject });
            let target = context.target.path_and_query.as_str();
            Some(Claim {
                key: keys::record_key(&scope, caller, key).map_err(unnamed)?,
                fingerprint: keys::fingerprint(&parts.method, target, &parts.headers, &event.data),
                lease: LEASE,
                ttl: publish.ttl,
                on_lost: OnLost::Retry,
                trace: Some(event.trace_id),
            })
        }
    };
    Ok(Publication { topic: Arc::clone(&publish.topic), event, owner, claim })
}
