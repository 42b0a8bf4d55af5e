//! Sends a copy of the request to the route's mirror, beside the caller's own exchange.

use std::sync::Arc;

use http::request::Parts;

use crate::{
    mirror::{Job, Mirror},
    record::Record,
    step::dispatch::{self, Context, Outgoing},
};

/// A copy in the making.
pub(crate) struct Copy {
    mirror: Arc<Mirror>,
    head: Parts,
}

/// Copies the request's head, if the request is among those that are copied. To be asked before
/// the head is rewritten for the caller's own upstream.
pub(crate) fn copy(context: &Context<'_>, record: &Record, parts: &Parts) -> Option<Box<Copy>> {
    let mirror = context.route.mirror.as_ref()?;
    let is_probe = record.probe().is_some();
    let is_wanted = !is_probe && (parts.method.is_safe() || mirror.settings.takes_writes);
    let is_whole = !context.target.is_websocket && !record.is_grpc();
    if !is_wanted || !is_whole || !mirror.draws(record.trace_id()) {
        return None;
    }
    let head = dispatch::copy_head(context, record, parts, mirror)?;
    Some(Box::new(Copy { mirror: Arc::clone(mirror), head }))
}

/// Sends the copy in a task of its own; the exchange waits for nothing of it.
pub(crate) fn send(copy: Box<Copy>, record: &mut Record, outgoing: &mut Outgoing<'_>) {
    let Copy { mirror, head } = *copy;
    let Some(place) = mirror.enter() else { return };
    let bytes_max = mirror.settings.body_bytes_max.as_bytes();
    let body = outgoing.capture(usize::try_from(bytes_max).unwrap_or(usize::MAX));
    let (watch, told) = mirror.watch();
    record.watch_answer(watch);
    let trace = record.trace_id();
    tokio::spawn(Job { mirror, place, trace, head, body, told }.run());
}
