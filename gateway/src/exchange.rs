//! One exchange from request to answer: the life of a request, top to bottom.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use headgate_router::path;
use headgate_telemetry::{Listener, trace};
use http::{Request, Response, Version, request::Parts};
use http_body::Body as _;

use crate::{
    body::{ClientBody, ResponseBody},
    connection::Connection,
    drain::Phase,
    edge::{Edge, Snapshot},
    error::Error,
    headers,
    record::Record,
    step::{
        self,
        idempotency::{Entered, Known},
        target::Target,
    },
};

/// The exchanges of one connection, as a service from request to answer.
///
/// The data path calls it for each request that hyper reads; a test calls it without a socket.
#[derive(Clone, Debug)]
pub struct Exchanges {
    edge: Arc<Edge>,
    connection: Arc<Connection>,
}

/// An answer on its way.
pub type Answering =
    Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

impl Exchanges {
    /// Serves the exchanges of a connection.
    pub(crate) fn new(edge: Arc<Edge>, connection: Arc<Connection>) -> Self {
        Self { edge, connection }
    }

    /// Serves requests of a client without a connection of its own.
    pub fn of_client(edge: &Arc<Edge>, client: SocketAddr) -> Self {
        Self::new(Arc::clone(edge), Connection::new(edge, client, Listener::Plain, None))
    }

    /// Answers one request.
    pub(crate) fn answer(&self, request: Request<ClientBody>) -> Answering {
        self.connection.asked(&self.edge);
        Box::pin(run(Arc::clone(&self.edge), Arc::clone(&self.connection), request))
    }
}

impl tower::Service<Request<ClientBody>> for Exchanges {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Answering;

    /// Always ready: what is too much is refused with an answer.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ClientBody>) -> Answering {
        self.answer(request)
    }
}

/// Answers one request. Never fails: what goes wrong becomes an answer of the edge's own.
///
/// # Cancel safety
///
/// Dropped when the client leaves; the call upstream is cancelled and the record says so.
fn run(
    edge: Arc<Edge>,
    connection: Arc<Connection>,
    request: Request<ClientBody>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + Send {
    let (mut parts, body) = request.into_parts();
    let version = parts.version;
    // A block, which uses what it captures in place; an async function would keep a second copy.
    async move {
        let has_body = !body.is_end_stream();
        let snapshot = edge.snapshot();
        let mut record = step::trace::begin(&edge, &snapshot.terms, &connection, &parts);
        let trace_id = trace::format_trace_id(record.trace_id());
        let mut response =
            match serve((&edge, snapshot), &connection, &mut record, &mut parts, body).await {
                Ok(Entered::Passed(answer)) => step::respond::pass_on(record, answer),
                Ok(Entered::Keyed(keyed)) => {
                    Box::pin(step::idempotency::serve(record, keyed)).await
                }
                Ok(Entered::Taken(taken)) => step::respond::published(record, *taken),
                Ok(Entered::Found(results)) => step::respond::results(record, *results),
                Ok(Entered::Told(told)) => step::respond::told(record, told),
                Ok(Entered::Pushes(opened)) => step::respond::pushes(record, *opened),
                Err(error) => {
                    if has_body {
                        connection.activity.linger();
                    }
                    match step::fall_back::answer_of(&record, error) {
                        Some(answer) => step::respond::degrade(record, error, answer),
                        None => step::respond::refuse(record, error),
                    }
                }
            };
        response.headers_mut().insert(headers::TRACE_ID, trace_id);
        if version < Version::HTTP_2 && edge.lifecycle.phase() > Phase::Serving {
            step::respond::close_connection(&mut response);
        }
        Ok(response)
    }
}

/// The steps, each of which may end the exchange with an error.
async fn serve(
    (edge, snapshot): (&Arc<Edge>, Arc<Snapshot>),
    connection: &Arc<Connection>,
    record: &mut Record,
    parts: &mut Parts,
    body: ClientBody,
) -> Result<Entered, Error> {
    let hop = headers::strip_hop(&mut parts.headers).map_err(Error::BadRequest)?;
    let hop = step::target::unify(parts, hop);
    let target = step::target::read(parts, hop)?;
    if path::is_reserved(target.path()) {
        let own = own((edge, &snapshot), connection, record, (parts, &target));
        // Boxed: it is rare, and would make every exchange as large as itself.
        if let Some(own) = Box::pin(own).await {
            return own;
        }
    }
    let shown = connection.credentials(&parts.headers);
    let early = step::authenticate::early(&snapshot, shown).await;
    let device = step::classify::classify(&snapshot, parts, &target, early.as_deref());
    record.classified(&device);
    record.note_facts(&snapshot, step::classify::facts(parts, &target, early.as_deref()));
    let route = step::route::find(&snapshot, parts, &target, &device, early.as_deref())?;
    record.routed(&route);
    step::shed::shed(edge, &route, record, &parts.headers)?;
    let shown = (connection.credentials(&parts.headers), record.client().user);
    let caller =
        step::authenticate::authenticate(&snapshot, &route.settings.auth, shown, early).await?;
    record.authenticated(caller.as_ref());
    step::limit::limit(&route, caller.as_deref(), record)?;
    let asked = (&parts.headers, Some(record.trace_id()));
    let drawn = step::draw::draw(&snapshot, &route, caller.as_deref(), asked).await;
    record.drawn(drawn);
    if let Some(keys) = &route.keys {
        let (edge, connection, route) = (edge.clone(), connection.clone(), Arc::clone(&route));
        let known = Known { edge, snapshot, connection, route, caller, device, target };
        // Boxed, as below.
        return Box::pin(step::idempotency::enter(keys, known, record, parts, body)).await;
    }
    let context = step::dispatch::Context {
        edge,
        snapshot: &snapshot,
        connection,
        route: &route,
        caller: caller.as_deref(),
        device: &device,
        target: &target,
    };
    let is_bodyless = body.is_end_stream();
    let permits = match step::admit::admit(&context, record, &parts.headers).await {
        Ok(permits) => permits,
        Err(error) => {
            let fallback = Box::pin(step::fall_back::ask(&context, record, parts, body, error));
            return fallback.await.map(Entered::Passed);
        }
    };
    if let Some(publish) = &route.settings.publish {
        let taken = Box::pin(step::publish::publish(&context, publish, record, parts, body)).await;
        permits.finish(edge.clock.now());
        return taken.map(|taken| Entered::Taken(Box::new(taken)));
    }
    let copy = step::mirror::copy(&context, record, parts);
    let mut call = step::dispatch::dispatch(&context, record, parts, body).await?;
    call.hold(permits);
    if let Some(copy) = copy {
        step::mirror::send(copy, record, &mut call);
    }
    match step::forward::forward(edge, connection, &route, record, &mut call).await {
        Ok(answer) => Ok(Entered::Passed(answer)),
        Err(error) if is_bodyless && !context.target.is_websocket => {
            step::fall_back::unsay(&mut parts.headers, &context);
            let empty = ClientBody::from(Bytes::new());
            let fallback = Box::pin(step::fall_back::ask(&context, record, parts, empty, error));
            fallback.await.map(Entered::Passed)
        }
        Err(error) => Err(error),
    }
}

/// Answers a request for the edge itself; none for a path that is nothing.
async fn own(
    (edge, snapshot): (&Arc<Edge>, &Snapshot),
    connection: &Arc<Connection>,
    record: &Record,
    (parts, target): (&mut Parts, &Target),
) -> Option<Result<Entered, Error>> {
    if let Some(trace) = step::results::asked(parts, target) {
        let shown = connection.credentials(&parts.headers);
        let found = async { step::results::find(edge, snapshot, (parts, shown), trace?).await };
        return Some(found.await.map(|found| Entered::Found(Box::new(found))));
    }
    if step::push::is_asked(parts, target) {
        let opened = step::push::open(edge, snapshot, connection, parts, target).await;
        return Some(opened.map(|opened| Entered::Pushes(Box::new(opened))));
    }
    if step::whoami::is_asked(parts, target) {
        let told = step::whoami::tell((edge, snapshot), connection, record, (parts, target));
        return Some(told.await.map(Entered::Told));
    }
    None
}

#[cfg(test)]
mod tests;
