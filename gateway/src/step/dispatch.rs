//! Turns the client's request into the one that an endpoint gets.

use std::sync::Arc;

use bytes::Bytes;
use headgate_router::{deadline, overload::limit::End, retry};
use headgate_telemetry::Listener;
use headgate_types::{Class, Deadline, Device, Moment, Priority};
use http::{
    HeaderMap, HeaderValue, Request, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use tokio::sync::oneshot;

use crate::{
    body::{BodyWatch, ClientBody, RequestBody, RequestBodyLimits},
    connection::Connection,
    edge::{Edge, Route, Snapshot},
    error::Error,
    headers,
    identity::Verified,
    mirror::Mirror,
    overload::{Permits, judged},
    passport::PassportFor,
    record::Record,
    settings::Protocol,
    step::{choose, target::Target},
    tunnel::Switch,
    upstream::Upstream,
};

/// Headers that the edge adds, so that their map grows once.
const EDGE_HEADERS: usize = 10;

/// What is known of an exchange when its call is made up.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) edge: &'a Arc<Edge>,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) connection: &'a Connection,
    pub(crate) route: &'a Route,
    pub(crate) caller: Option<&'a Verified>,
    pub(crate) device: &'a Device,
    pub(crate) target: &'a Target,
}

/// A call on an upstream, to be attempted once or several times.
pub(crate) struct Outgoing<'a> {
    /// The client's head, rewritten.
    head: &'a mut Parts,
    body: Option<RequestBody>,
    /// Whether every attempt can be given the same request.
    pub(crate) is_replayable: bool,
    /// Whether the method may act twice without harm (RFC 9110, 9.2.2).
    pub(crate) is_idempotent: bool,
    /// When the exchange must have ended.
    pub(crate) deadline: Deadline,
    /// When a gRPC client will have given up. None where it has not said.
    pub(crate) grpc_deadline: Option<Deadline>,
    /// What it means that an endpoint has not answered by then: the endpoint is slow, or the
    /// client asked for less time than the route gives.
    pub(crate) late: Error,
    /// How far the body has come, and what went wrong. None without a body.
    watch: Option<Arc<BodyWatch>>,
    /// What the body may use up.
    limits: RequestBodyLimits,
    /// The client's half of a WebSocket.
    pub(crate) upgrade: Option<Switch>,
    /// Whether the answer may stream for as long as it likes.
    pub(crate) is_grpc: bool,
    /// What the call holds.
    pub(crate) permits: Option<Permits>,
    /// The key by which its endpoint is chosen. None: by load alone.
    pub(crate) key: Option<u64>,
}

impl Outgoing<'_> {
    /// The request for the next attempt; none when it was sent and can't be sent again.
    pub(crate) fn next(&mut self) -> Option<Request<RequestBody>> {
        let (body, headers) = if self.is_replayable {
            (RequestBody::Empty, self.head.headers.clone())
        } else {
            (self.body.take()?, std::mem::take(&mut self.head.headers))
        };
        let mut request = Request::new(body);
        request.method_mut().clone_from(&self.head.method);
        request.uri_mut().clone_from(&self.head.uri);
        *request.version_mut() = self.head.version;
        *request.headers_mut() = headers;
        Some(request)
    }

    /// Takes back a request of which nothing was sent.
    pub(crate) fn restore(&mut self, request: Request<RequestBody>) {
        let (parts, body) = request.into_parts();
        self.head.headers = parts.headers;
        self.body = Some(body);
    }

    /// What went wrong with the client's body, if that is why an attempt failed.
    pub(crate) fn body_fault(&self) -> Option<Error> {
        self.watch.as_ref()?.fault(self.limits)
    }

    /// Takes the permits that the call needs.
    pub(crate) fn hold(&mut self, mut permits: Permits) {
        permits.follow(self.watch.as_ref());
        self.permits = Some(permits);
    }

    /// Whether the endpoint has not got the whole request, because the client has not sent it.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.is_waiting())
    }

    /// Gives the permits back after a failure; what went wrong tells whether load was to blame.
    pub(crate) fn fails(&mut self, error: Error, now: Moment) -> Error {
        let Some(permits) = self.permits.take() else { return error };
        match error {
            Error::Reset | Error::AttemptTimeout => permits.end(now, End::Dropped),
            // The client has asked for less time than the route gives: as if it had left.
            Error::DeadlineExceeded => drop(permits),
            _ => permits.end(now, End::Ignore),
        }
        error
    }

    /// The permits that the answer holds to its end. An answer that may last for as long as it
    /// likes holds none: of gRPC the time to its head tells about load, of the others nothing.
    pub(crate) fn answered(
        &mut self,
        status: StatusCode,
        (streams, head_at): (bool, Moment),
    ) -> Option<Permits> {
        let mut permits = self.permits.take()?;
        let end = match status {
            StatusCode::SWITCHING_PROTOCOLS => End::Ignore,
            _ => match judged::by_limit(status) {
                End::Success if streams && !self.is_grpc => End::Ignore,
                end => end,
            },
        };
        if streams || status == StatusCode::SWITCHING_PROTOCOLS {
            permits.end(head_at, end);
            return None;
        }
        permits.will_end(end);
        Some(permits)
    }

    /// Keeps the body while it goes to the endpoint, for a copy of the request: none inside when it
    /// is longer. None when there is no body.
    pub(crate) fn capture(&mut self, bytes_max: usize) -> Option<oneshot::Receiver<Option<Bytes>>> {
        match &mut self.body {
            Some(RequestBody::Streaming(body)) => Some(body.capture(bytes_max)),
            _ => None,
        }
    }

    /// Whether [`Outgoing::next`] has a request to give.
    pub(crate) fn has_next(&self) -> bool {
        self.is_replayable || self.body.is_some()
    }
}

/// Makes up the call: the deadline, the body's limits, and the headers that only the edge sets.
///
/// # Errors
///
/// [`Error::BodyTooLarge`] for a declared length above the limit, [`Error::BadRequest`] for a body
/// that starts malformed, [`Error::Internal`] when no Passport can be signed.
pub(crate) async fn dispatch<'a>(
    context: &Context<'_>,
    record: &mut Record,
    parts: &'a mut Parts,
    incoming: ClientBody,
) -> Result<Outgoing<'a>, Error> {
    let upgrade = Switch::take(parts).filter(|_| context.target.is_websocket);
    let priority = record.priority();
    let (deadline, grpc_deadline) = deadline_of(context.route, record, &parts.headers);
    let is_hurried = deadline < Deadline::after(record.started(), context.route.timeout);
    let late = if is_hurried { Error::DeadlineExceeded } else { Error::AttemptTimeout };
    let limits = body_limits(context);
    let is_bodyless = http_body::Body::is_end_stream(&incoming);
    let (body, watch) = if is_bodyless {
        (RequestBody::Empty, None)
    } else {
        let (body, watch) = open_body(parts, incoming, limits).await?;
        record.watch_body(&watch);
        (body, Some(watch))
    };
    let upstream = context.route.upstream(record.arm()).ok_or(Error::NoEndpoint)?;
    let key = choose::key_of(context, record, &parts.headers);
    set_headers(context, record, &mut parts.headers, (priority, upstream))?;
    if let Some(arm) = context.route.arm(record.arm()) {
        parts.headers.insert(headers::ARM, arm.value.clone());
    }
    address(context, upstream, parts, upgrade.is_some());
    Ok(Outgoing {
        is_replayable: is_bodyless && upgrade.is_none(),
        is_idempotent: retry::is_idempotent(&parts.method),
        is_grpc: record.is_grpc(),
        permits: None,
        key,
        head: parts,
        body: (!is_bodyless || upgrade.is_some()).then_some(body),
        deadline,
        grpc_deadline,
        late,
        watch,
        limits,
        upgrade,
    })
}

/// The head of a copy, as the mirror gets it: made as the caller's own is, so that it carries no
/// credential which that does not, and with a Passport for the mirror alone. None where there can be
/// no such Passport.
pub(crate) fn copy_head(
    context: &Context<'_>,
    record: &Record,
    parts: &Parts,
    mirror: &Mirror,
) -> Option<Parts> {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method = parts.method.clone();
    copy.headers = parts.headers.clone();
    let priority = priority(context.route, &parts.headers);
    let upstream = &*mirror.upstream;
    set_headers(context, record, &mut copy.headers, (priority, upstream)).ok()?;
    let millis = deadline::to_millis(mirror.settings.timeout);
    copy.headers.insert(headers::DEADLINE, headers::millis_value(millis));
    copy.headers.insert(headers::ATTEMPT, headers::attempt_value(1));
    copy.headers.insert(headers::MIRROR, HeaderValue::from_static("1"));
    address(context, upstream, &mut copy, false);
    Some(copy)
}

/// Begins to read the client's body.
async fn open_body(
    parts: &Parts,
    incoming: ClientBody,
    limits: RequestBodyLimits,
) -> Result<(RequestBody, Arc<BodyWatch>), Error> {
    refuse_declared_length(&parts.headers, limits)?;
    let watch = Arc::<BodyWatch>::default();
    let mut body = RequestBody::streaming(incoming, limits, Arc::clone(&watch));
    // A length is trusted to hyper; chunks can be malformed from the first byte on.
    if parts.version < Version::HTTP_2 && !parts.headers.contains_key(CONTENT_LENGTH) {
        let looked = body.look_ahead().await;
        looked.map_err(|_| watch.fault(limits).unwrap_or(Error::Internal("unknown body fault")))?;
    }
    Ok((body, watch))
}

/// The route's class, lowered if the client wishes it; a word that is no class wishes nothing.
pub(crate) fn priority(route: &Route, headers: &HeaderMap) -> Priority {
    let granted = Priority::from(route.settings.priority);
    let wish = headers.get(headers::PRIORITY).and_then(|value| value.to_str().ok());
    wish.and_then(|word| word.parse::<Class>().ok())
        .map_or(granted, |wish| granted.lowered_to(wish))
}

/// When the exchange must have ended, and when a gRPC client will have given up.
pub(crate) fn deadline_of(
    route: &Route,
    record: &Record,
    headers: &HeaderMap,
) -> (Deadline, Option<Deadline>) {
    let of = |name| headers.get(name).map(HeaderValue::as_bytes);
    let deadline = deadline::effective(record.started(), route.timeout, of(headers::DEADLINE));
    if !record.is_grpc() {
        return (deadline, None);
    }
    let grpc = of(headers::GRPC_TIMEOUT).and_then(deadline::parse_grpc);
    let grpc = grpc.map(|grpc| Deadline::after(record.started(), grpc));
    (grpc.map_or(deadline, |grpc| deadline.min(grpc)), grpc)
}

fn body_limits(context: &Context<'_>) -> RequestBodyLimits {
    let limits = &context.snapshot.terms.limits;
    let bytes_max = context.route.settings.body_bytes_max.unwrap_or(limits.body_bytes_max);
    RequestBodyLimits { bytes_max: bytes_max.as_bytes(), idle: limits.body_idle }
}

/// Refuses a body that is announced above its limit, before any of it is read.
///
/// # Errors
///
/// [`Error::BodyTooLarge`].
pub(crate) fn refuse_declared_length(
    headers: &HeaderMap,
    limits: RequestBodyLimits,
) -> Result<(), Error> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match declared.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > limits.bytes_max => {
            Err(Error::BodyTooLarge { body_bytes_max: limits.bytes_max })
        }
        _ => Ok(()),
    }
}

/// Drops what a client may not say and says what the edge knows.
fn set_headers(
    context: &Context<'_>,
    record: &Record,
    headers: &mut HeaderMap,
    (priority, upstream): (Priority, &Upstream),
) -> Result<(), Error> {
    let Context { edge, connection, route, caller, device, snapshot, .. } = context;
    headers::strip_for_endpoint(headers);
    headers.reserve(EDGE_HEADERS);
    record.write_trace(headers);
    forwarded(connection, headers);
    headers.insert(headers::DEVICE, snapshot.device_value(&device.class));
    let geo = snapshot.terms.geo.as_ref();
    if let Some(place) = geo.and_then(|geo| geo.tell(record.client().address)) {
        headers.insert(headers::GEO, place);
    }
    // The name of a key in the configuration, which a header can hold.
    if let Some(probe) = record.probe().and_then(|probe| HeaderValue::from_str(probe).ok()) {
        headers.insert(headers::PROBE, probe);
    }
    let class = priority.class().as_str();
    headers.insert(headers::PRIORITY, HeaderValue::from_static(class));
    if let Some(caller) = caller {
        let wanted = PassportFor {
            team: &route.settings.team,
            route: &route.settings.name,
            upstream: &upstream.audience,
            device: &device.class,
            trace: record.trace_id(),
        };
        let passport = edge.mint.passport(caller, &wanted);
        let passport = passport.map_err(|_| Error::Internal("no Passport could be signed"))?;
        headers.insert(headers::PASSPORT, passport);
    }
    Ok(())
}

/// `x-forwarded-for` and `x-forwarded-proto`, taken from trusted peers only and otherwise ours.
fn forwarded(connection: &Connection, headers: &mut HeaderMap) {
    let proto = HeaderValue::from_static(match connection.listener {
        Listener::Plain => "http",
        Listener::Tls => "https",
    });
    if !connection.peer_is_trusted {
        headers.insert(headers::FORWARDED_FOR, connection.forwarded_for.clone());
        headers.insert(headers::FORWARDED_PROTO, proto);
        return;
    }
    headers.append(headers::FORWARDED_FOR, connection.forwarded_for.clone());
    headers.entry(headers::FORWARDED_PROTO).or_insert(proto);
}

/// Writes host, target and version in the protocol that the upstream speaks.
fn address(context: &Context<'_>, upstream: &Upstream, parts: &mut Parts, is_upgrade: bool) {
    let target = context.target;
    let authority = target.authority.clone().unwrap_or_else(|| upstream.default_host());
    let headers = &mut parts.headers;
    // What the client's connection knows of the request is of no use on another one.
    parts.extensions.clear();
    match upstream.settings.protocol {
        Protocol::H1 => {
            headers::join_cookies(headers);
            if headers.get(HOST) != Some(&authority) {
                headers.insert(HOST, authority);
            }
            if is_upgrade {
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            }
            parts.uri = Uri::from(target.path_and_query.clone());
            parts.version = Version::HTTP_11;
        }
        Protocol::H2 | Protocol::H2c => {
            headers.remove(TRANSFER_ENCODING);
            // It says the same as the target.
            headers.remove(HOST);
            let uri = Uri::builder()
                .scheme(upstream.settings.scheme())
                .authority(authority.as_bytes())
                .path_and_query(target.path_and_query.clone())
                .build();
            // The authority was parsed from this very text.
            parts.uri = uri.unwrap_or_else(|_| Uri::from(target.path_and_query.clone()));
            parts.version = Version::HTTP_2;
        }
    }
}
