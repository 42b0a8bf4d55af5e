//! One exchange from request to answer: the life of a request, top to bottom.

use std::sync::Arc;

use headgate_telemetry::trace;
use http::{Request, Response, Version, request::Parts};
use hyper::body::Incoming;

use crate::{
    body::ResponseBody, connection::Connection, drain::Phase, edge::Edge, error::Error, headers,
    record::Record, step,
};

/// Answers one request. Never fails: what goes wrong becomes an answer of the edge's own.
///
/// # Cancel safety
///
/// Dropped when the client leaves; the call upstream is cancelled and the record says so.
pub(crate) async fn run(
    edge: Arc<Edge>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let (parts, body) = request.into_parts();
    let version = parts.version;
    let mut record = step::trace::begin(&edge, &connection, &parts);
    let trace_id = trace::format_trace_id(record.trace_id());
    let mut response = match serve(&edge, &connection, &mut record, (parts, body)).await {
        Ok(answer) => step::respond::pass_on(record, answer),
        Err(error) => step::respond::refuse(record, error),
    };
    response.headers_mut().insert(headers::TRACE_ID, trace_id);
    if version < Version::HTTP_2 && edge.lifecycle.phase() > Phase::Serving {
        step::respond::close_connection(&mut response);
    }
    response
}

/// The steps, each of which may end the exchange with an error.
async fn serve(
    edge: &Arc<Edge>,
    connection: &Connection,
    record: &mut Record,
    (mut parts, body): (Parts, Incoming),
) -> Result<step::forward::Answer, Error> {
    let snapshot = record.snapshot();
    let hop = headers::strip_hop(&mut parts.headers).map_err(Error::BadRequest)?;
    let target = step::target::read(&mut parts, hop)?;
    let early = step::authenticate::for_device(&snapshot, &parts.headers).await;
    let device = step::classify::classify(&snapshot, &parts, &target, early.as_deref());
    record.classified(&device);
    let route = step::route::find(&snapshot, &parts, &target, &device, early.as_deref())?;
    record.routed(&route);
    let caller = step::authenticate::authenticate(&snapshot, &route, &parts.headers, early).await?;
    record.authenticated(caller.as_ref());
    let call = step::dispatch::dispatch(
        &step::dispatch::Context {
            edge,
            snapshot: &snapshot,
            connection,
            route: &route,
            caller: caller.as_deref(),
            device: &device,
            target: &target,
        },
        record,
        parts,
        body,
    )
    .await?;
    step::forward::forward(edge, &route, record, call).await
}
