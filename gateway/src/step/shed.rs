//! Refuses by rank when the edge itself is overloaded, before anybody is authenticated.

use std::sync::Arc;

use headgate_router::overload::{mode::Ruled, priority, verdict::Layer};
use http::HeaderMap;

use crate::{
    edge::{Edge, Route},
    error::Error,
    overload::Ruling,
    record::Record,
    step::{admit::low_half, dispatch},
};

/// Ranks the request, counts its arrival, and refuses it if the edge has no capacity for its rank.
///
/// # Errors
///
/// [`Error::ShedOverload`].
pub(crate) fn shed(
    edge: &Arc<Edge>,
    route: &Route,
    record: &mut Record,
    headers: &HeaderMap,
) -> Result<(), Error> {
    let granted = dispatch::priority(route, headers);
    record.prioritized(granted);
    if route.settings.overload.is_exempt {
        return Ok(());
    }
    let protection = &edge.protection;
    let switch = protection.instance.switch();
    let now = record.started();
    let priority = priority::level(granted.class(), record.client().user, &protection.usage, now);
    record.prioritized(priority);
    if !switch.is_on() {
        record.arrived();
        return Ok(());
    }
    let draw = low_half(record.trace_id());
    let rule = protection.instance.rule(priority, draw);
    record.rule(Ruling::of(rule, Layer::Instance, switch.mode(), priority.rank()));
    if let Ruled::Refused(refusal) = rule {
        protection.meter.refused();
        return Err(Error::refused(&refusal, draw));
    }
    record.arrived();
    Ok(())
}
