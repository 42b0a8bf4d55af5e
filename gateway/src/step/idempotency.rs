//! Serves a request under its `idempotency-key`: the first one is passed on, and every later one
//! gets the first one's answer.
//!
//! From the claim of the key on, a request is served in a task of its own. A client that leaves
//! can't end it: the BFF may be at work already, so its answer is awaited and kept for the client's
//! next try. The exchange's deadline bounds the task.

mod once;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use headgate_idempotency::{
    Claim, KeyError, OnLost, Records, Scope,
    http::{self as keys, Key},
};
use headgate_router::deadline;
use headgate_types::{Deadline, Device};
use http::{HeaderValue, Request, header::CONTENT_LENGTH, request::Parts};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

pub(crate) use crate::step::idempotency::once::serve;
use crate::{
    body::{BodyWatch, ClientBody, RequestBody, RequestBodyLimits},
    connection::Connection,
    edge::{Edge, Route, Snapshot},
    error::Error,
    headers,
    identity::Verified,
    publishing::Results,
    push::Opened,
    record::Record,
    settings,
    step::{
        admit,
        dispatch::{self, Context},
        forward::{self, Answer},
        publish::Taken,
        target::Target,
    },
};

/// Memory for a body that names no length, to begin with.
const BODY_BYTES_FIRST: usize = 4 << 10;

/// The keys of one route.
#[derive(Debug)]
pub(crate) struct Keys {
    settings: settings::Idempotency,
    scope: Scope,
    /// None: the store can't be used, and no request with a key is served.
    records: Option<Records>,
}

impl Keys {
    /// The keys of a route; none where a key means nothing.
    ///
    /// # Errors
    ///
    /// [`KeyError`] for names that are no names of the configuration.
    pub(crate) fn of(
        route: &settings::Route,
        records: Option<&Records>,
    ) -> Result<Option<Self>, KeyError> {
        let Some(settings) = route.idempotency.clone() else { return Ok(None) };
        let scope = keys::scope(&route.team, &route.name)?;
        Ok(Some(Self { settings, scope, records: records.cloned() }))
    }
}

/// What an exchange has settled before its key is looked at.
pub(crate) struct Known {
    pub(crate) edge: Arc<Edge>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) route: Arc<Route>,
    pub(crate) caller: Option<Arc<Verified>>,
    pub(crate) device: Device,
    pub(crate) target: Target,
}

impl Known {
    fn context(&self) -> Context<'_> {
        Context {
            edge: &self.edge,
            snapshot: &self.snapshot,
            connection: &self.connection,
            route: &self.route,
            caller: self.caller.as_deref(),
            device: &self.device,
            target: &self.target,
        }
    }

    /// Calls the upstream, as on any other route.
    async fn ask(
        &self,
        record: &mut Record,
        parts: &mut Parts,
        body: ClientBody,
    ) -> Result<Answer, Error> {
        let context = self.context();
        let permits = admit::admit(&context, record, &parts.headers).await?;
        let mut call = dispatch::dispatch(&context, record, parts, body).await?;
        call.hold(permits);
        forward::forward(&self.edge, &self.connection, &self.route, record, &mut call).await
    }

    fn deadline(&self, record: &Record, parts: &Parts) -> Deadline {
        let wish = parts.headers.get(headers::DEADLINE).map(HeaderValue::as_bytes);
        deadline::effective(record.started(), self.route.timeout, wish)
    }
}

/// What becomes of a request whose caller and route are known.
#[expect(
    clippy::large_enum_variant,
    reason = "a box would cost an allocation where there are no keys"
)]
pub(crate) enum Entered {
    /// The origin has answered, as on any other route: a key means nothing here, or there is none.
    Passed(Answer),
    /// The request is there as a whole, to be served under its key.
    Keyed(Box<Keyed>),
    /// The request became an event, which is durable.
    Taken(Box<Taken>),
    /// The request asked for results, which are there or not yet.
    Found(Box<Results>),
    /// The caller asked who it is; the answer's body.
    Told(Bytes),
    /// The request asked for what is pushed to its caller, from here on.
    Pushes(Box<Opened>),
}

/// A request under its key.
pub(crate) struct Keyed {
    known: Known,
    parts: Parts,
    body: Bytes,
    claim: Claim,
    deadline: Deadline,
}

/// Reads the key and then the body, or passes on a request that needs no key.
///
/// # Errors
///
/// [`Error::KeyMissing`], [`Error::KeyMalformed`], the errors of a body that is too large, too slow
/// or broken, and those of a request that is passed on.
pub(crate) async fn enter(
    keys: &Keys,
    known: Known,
    record: &mut Record,
    parts: &mut Parts,
    body: ClientBody,
) -> Result<Entered, Error> {
    let changes_something = !parts.method.is_safe() && !known.target.is_websocket;
    let key = if changes_something { Key::of(&parts.headers) } else { Ok(None) };
    let key = key.map_err(|fault| Error::KeyMalformed(fault.as_str()))?;
    let Some(key) = key else {
        if changes_something && keys.settings.is_required {
            return Err(Error::KeyMissing);
        }
        return known.ask(record, parts, body).await.map(Entered::Passed);
    };
    if record.is_grpc() {
        return Err(Error::KeyMalformed("messages of gRPC can't be kept and repeated"));
    }
    let deadline = known.deadline(record, parts);
    let left = deadline.remaining(known.edge.clock.now()).ok_or(Error::DeadlineExceeded)?;
    let limits = RequestBodyLimits {
        bytes_max: keys.settings.body_bytes_max.as_bytes(),
        idle: known.snapshot.terms.limits.body_idle,
    };
    dispatch::refuse_declared_length(&parts.headers, limits)?;
    let body = timeout(left, collect(record, body, limits)).await;
    let body = body.map_err(|_elapsed| Error::BodyTimeout)??;
    if !body.is_empty() {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let claim = claim(keys, &known, record, (parts, &key, &body))?;
    let (none, ()) = Request::new(()).into_parts();
    let parts = std::mem::replace(parts, none);
    Ok(Entered::Keyed(Box::new(Keyed { known, parts, body, claim, deadline })))
}

/// Reads a request's body to its end.
pub(crate) async fn collect(
    record: &mut Record,
    incoming: ClientBody,
    limits: RequestBodyLimits,
) -> Result<Bytes, Error> {
    let watch = Arc::<BodyWatch>::default();
    record.watch_body(&watch);
    let mut body = RequestBody::streaming(incoming, limits, Arc::clone(&watch));
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let broken = |_| watch.fault(limits).unwrap_or(Error::Internal("unknown body fault"));
        // Trailers are not passed on with a body that was held.
        if let Ok(piece) = frame.map_err(broken)?.into_data() {
            all.reserve(piece.len().max(if all.is_empty() { BODY_BYTES_FIRST } else { 0 }));
            all.extend_from_slice(&piece);
        }
    }
    Ok(all.freeze())
}

fn claim(
    keys: &Keys,
    known: &Known,
    record: &Record,
    (parts, key, body): (&Parts, &Key, &Bytes),
) -> Result<Claim, Error> {
    let caller = known.caller.as_ref().map(|caller| keys::Caller {
        source: &caller.identity.source,
        subject: &caller.identity.subject,
    });
    let record_key = keys::record_key(&keys.scope, caller, key);
    let target = known.target.path_and_query.as_str();
    Ok(Claim {
        key: record_key.map_err(|_| Error::Internal("a caller's key can't be named"))?,
        fingerprint: keys::fingerprint(&parts.method, target, &parts.headers, body),
        lease: keys.settings.lease,
        ttl: keys.settings.ttl,
        on_lost: match keys.settings.on_lost {
            settings::OnLost::Retry => OnLost::Retry,
            settings::OnLost::Hold => OnLost::Hold,
        },
        trace: Some(record.trace_id()),
    })
}

#[cfg(test)]
mod tests;
