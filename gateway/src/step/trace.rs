//! Gives the exchange its trace and opens its record.

use std::sync::Arc;

use headgate_telemetry::trace::{self, Peer};
use http::request::Parts;

use crate::{
    connection::Connection,
    edge::{Edge, Terms},
    record::Record,
};

/// Takes the trace from a trusted peer, makes one otherwise.
pub(crate) fn begin(
    edge: &Arc<Edge>,
    terms: &Arc<Terms>,
    connection: &Arc<Connection>,
    parts: &Parts,
) -> Box<Record> {
    let peer = if connection.peer_is_trusted { Peer::Trusted } else { Peer::Untrusted };
    Record::begin((edge, terms), connection, parts, trace::accept(peer, &parts.headers))
}
