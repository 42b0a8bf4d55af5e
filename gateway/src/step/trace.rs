//! Gives the exchange its trace and opens its record.

use std::sync::Arc;

use headgate_telemetry::trace::{self, Peer};
use http::request::Parts;

use crate::{
    connection::Connection,
    edge::{Edge, Terms},
    record::Record,
};

/// Takes the trace from a trusted peer, makes one otherwise, and says whether a collector is to get
/// it.
pub(crate) fn begin(
    edge: &Arc<Edge>,
    terms: &Arc<Terms>,
    connection: &Arc<Connection>,
    parts: &Parts,
) -> Box<Record> {
    let peer = if connection.peer_is_trusted { Peer::Trusted } else { Peer::Untrusted };
    let mut incoming = trace::accept(peer, &parts.headers);
    if let Some(traces) = &edge.traces {
        traces.sample(&mut incoming.context, edge.clock.now());
    }
    Record::begin((edge, terms), connection, parts, incoming)
}
