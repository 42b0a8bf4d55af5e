//! Lets a request through to its upstream, lets it wait for a moment, or refuses it.

use std::sync::Arc;

use headgate_router::overload::{
    concurrency::{Call, Gate},
    deadline as guard,
    limit::End,
    mode::Switch,
    priority, throttle,
    verdict::{Layer, Refusal, Verdict},
};
use headgate_telemetry::access::Mark;
use headgate_types::{Deadline, Moment, TraceId};
use http::HeaderMap;

use crate::{
    connection::Connection,
    edge::{Edge, Route},
    error::Error,
    identity::Verified,
    overload::{Asking, NO_PARTITION, Permit, Permits, Ruled, Ruling, Waits},
    record::Record,
    step::dispatch::{Context, deadline_of},
};

/// Gets the permits that a request needs: of its route where that has a limit of its own, and of
/// its upstream. Who finds none waits for a moment where that is worth it.
///
/// # Errors
///
/// What [`Error::from`] makes of the gate's refusal.
///
/// # Cancel safety
///
/// Dropping it gives up the wait, and the permits.
pub(crate) async fn admit(
    context: &Context<'_>,
    record: &mut Record,
    headers: &HeaderMap,
) -> Result<Permits, Error> {
    let Context { edge, connection, route, caller, .. } = context;
    let user = caller.map_or(record.client().user, Verified::user);
    let mut permits = Permits::new(edge, user);
    if route.settings.overload.is_exempt {
        return Ok(permits);
    }
    let mut now = edge.clock.now();
    let usage = &edge.protection.usage;
    usage.ask(user, now);
    let (deadline, _) = deadline_of(route, record, headers);
    let call = Call {
        // Of who is not known, the level has been told already, by its address.
        priority: match caller {
            Some(_) => priority::level(record.priority().class(), user, usage, now),
            None => record.priority(),
        },
        tenant: user,
        partition: NO_PARTITION,
        kind: 0,
        page: record.trusted_trace().map(low_half),
        deadline: Some(deadline),
        draw: low_half(record.trace_id()),
    };
    record.prioritized(call.priority);
    // Both are the route's own way, which a fallback does not take.
    let is_own = !record.is_degraded();
    let pass = is_own.then(|| throttle(route, &call, record, now)).transpose()?;
    let is_hurried = deadline < Deadline::after(record.started(), route.timeout);
    if is_hurried && let Some(upstream) = route.upstream(record.arm()) {
        hopeless(upstream.admission.gate(), &call, record, now)?;
    }
    if let Some(admission) = route.admission.as_ref().filter(|_| !record.is_degraded()) {
        let ask = Ask { edge, connection, gate: admission.gate(), call: &call };
        permits.hold_of_route(ask.pass(record, now).await?);
        now = edge.clock.now();
    }
    // A request that becomes an event goes to none.
    let Some(upstream) = route.upstream(record.arm()) else { return Ok(permits) };
    let ask = Ask { edge, connection, gate: upstream.admission.gate(), call: &call };
    match ask.pass(record, now).await {
        Ok(permit) => {
            permits.hold_of_upstream(permit);
            // What other layers refuse, what becomes an event, and whose client leaves while it
            // waits says nothing of the service.
            pass.inspect(|pass| route.throttle.tried(*pass, edge.clock.now()));
            permits.is_tried(pass);
        }
        Err(error) => {
            permits.end(edge.clock.now(), End::Ignore);
            return Err(error);
        }
    }
    Ok(permits)
}

/// Refuses on arrival what a typical call could not answer within the time that the client gives:
/// its work would be lost. By the mode of the gate, which knows what is typical.
fn hopeless(
    gate: &Gate<Waits>,
    call: &Call,
    record: &mut Record,
    now: Moment,
) -> Result<(), Error> {
    let Some(deadline) = call.deadline.filter(|_| gate.is_on()) else { return Ok(()) };
    let Some(refusal) = guard::check(deadline, now, gate.no_load_rtt()) else { return Ok(()) };
    let (mode, level) = (gate.mode(), call.priority.rank());
    let rule = Switch::new(mode).rule(Some(refusal), call.draw);
    record.rule(Ruling::of(rule, Layer::Deadline, mode, level));
    match rule.refused() {
        Some(refusal) => Err(Error::refused(&refusal, call.draw)),
        None => Ok(()),
    }
}

/// Lets a share of a failing route's requests be tried.
fn throttle(
    route: &Route,
    call: &Call,
    record: &mut Record,
    now: Moment,
) -> Result<throttle::Pass, Error> {
    let switch = route.throttle.switch();
    let level = call.priority.rank();
    match route.throttle.check(call.priority, now, fastrand::u64(..)) {
        Verdict::Admitted(pass) => {
            if switch.is_on() {
                record.rule(match pass.would_refuse() {
                    Some(refusal) => Ruling::refused(refusal, switch.mode(), Ruled::WouldRefuse),
                    None => Ruling::admitted(Layer::Throttle, switch.mode(), level),
                });
            }
            Ok(pass)
        }
        Verdict::Refused(refusal) => {
            record.rule(Ruling::refused(&refusal, switch.mode(), Ruled::Refused));
            Err(Error::refused(&refusal, call.draw))
        }
    }
}

/// The bits of a trace that are random also where the other half is a time.
pub(crate) fn low_half(trace: TraceId) -> u64 {
    let low = trace.as_bytes().last_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(low)
}

/// One request at one gate.
struct Ask<'a> {
    edge: &'a Arc<Edge>,
    connection: &'a Connection,
    gate: &'a Arc<Gate<Waits>>,
    call: &'a Call,
}

impl Ask<'_> {
    async fn pass(&self, record: &mut Record, now: Moment) -> Result<Permit, Error> {
        let Self { edge, connection, gate, call } = self;
        let asking = Asking { clock: &*edge.clock, timer: &connection.timer, gate, call };
        match asking.permit(now).await {
            Verdict::Admitted(permit) => Ok(self.admitted(record, permit, now)),
            Verdict::Refused(refusal) => Err(self.refused(record, &refusal, now)),
        }
    }

    fn admitted(&self, record: &mut Record, permit: Permit, asked: Moment) -> Permit {
        if !self.gate.is_on() {
            return permit;
        }
        record.mark_at(Mark::Admitted, permit.started());
        let (mode, level) = (self.gate.mode(), self.call.priority.rank());
        let ruling = match permit.would_refuse() {
            Some(refusal) => Ruling::refused(refusal, mode, Ruled::WouldRefuse),
            None => Ruling {
                observed: f64::from(permit.in_flight()),
                limit: f64::from(self.gate.limit()),
                waited: permit.started().since(asked),
                ..Ruling::admitted(Layer::Concurrency, mode, level)
            },
        };
        record.rule(ruling);
        permit
    }

    fn refused(&self, record: &mut Record, refusal: &Refusal, asked: Moment) -> Error {
        let now = self.edge.clock.now();
        let typical = self.gate.no_load_rtt().unwrap_or_default();
        self.edge.protection.usage.charge(self.call.tenant, typical, now);
        let ruling = Ruling::refused(refusal, self.gate.mode(), Ruled::Refused);
        record.rule(Ruling { waited: now.since(asked), ..ruling });
        Error::refused(refusal, self.call.draw)
    }
}
