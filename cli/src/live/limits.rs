//! What protects the edge, its upstreams and its routes.

use std::time::Duration;

use headgate_admin::{
    EndpointLimits, GateStatus, InstanceLimits, LayerCounts, LimitsStatus, RouteLimits,
    UpstreamLimits,
};
use headgate_gateway::overload::{self, GateState, InstanceState, Limits};
use headgate_router::overload::{breaker::State, mode::Counts, verdict::ADMIT_ALL};
use headgate_types::Class;

/// The limits, as the admin API tells them.
pub(crate) fn limits(limits: &Limits) -> LimitsStatus {
    LimitsStatus {
        instance: instance(&limits.instance),
        upstreams: limits.upstreams.iter().map(upstream).collect(),
        routes: limits.routes.iter().map(route).collect(),
    }
}

fn instance(state: &InstanceState) -> InstanceLimits {
    InstanceLimits {
        mode: state.mode.to_string(),
        in_flight: state.in_flight as u64,
        shed_from: shed_from(state.threshold),
        cpu: state.machine.cpu,
        scheduler_lag_ms: Some(millis(state.signals.scheduler_lag)),
        memory: state.machine.memory,
        counts: counts(state.counts),
    }
}

fn upstream(state: &overload::UpstreamLimits) -> UpstreamLimits {
    let endpoints = state.endpoints.iter().map(|endpoint| EndpointLimits {
        address: endpoint.address.to_string(),
        breaker: word(endpoint.breaker).to_owned(),
        opened: endpoint.opened,
    });
    UpstreamLimits {
        team: state.team.to_string(),
        name: state.name.to_string(),
        gate: state.gate.as_ref().map(gate),
        breaker: state.breaker.mode.to_string(),
        breaker_counts: counts(state.breaker_counts),
        endpoints: endpoints.collect(),
    }
}

fn route(state: &overload::RouteLimits) -> RouteLimits {
    let ((throttle, throttled), (retry, retried)) = (state.throttle, state.retry);
    RouteLimits {
        team: state.team.to_string(),
        name: state.name.to_string(),
        upstream: state.upstream.as_deref().unwrap_or_default().to_owned(),
        priority: state.priority.as_str().to_owned(),
        is_exempt: state.is_exempt,
        gate: state.gate.as_ref().map(gate),
        throttle: throttle.to_string(),
        throttle_counts: counts(throttled),
        retry_budget: retry.to_string(),
        retries_left: state.retries_left,
        retry_counts: counts(retried),
    }
}

fn gate(state: &GateState) -> GateStatus {
    let GateState { mode, status } = state;
    let by_class = Class::ALL.into_iter().zip(status.in_flight);
    GateStatus {
        mode: mode.to_string(),
        limit: status.limit,
        cause: status.cause.as_str().to_owned(),
        no_load_ms: status.no_load_rtt.map(millis),
        in_flight: status.in_flight.iter().sum(),
        in_flight_by_class: by_class
            .map(|(class, count)| (class.as_str().to_owned(), count))
            .collect(),
        unseated: status.unseated,
        queued: status.queued as u64,
        shed_from: shed_from(status.threshold),
        counts: counts(status.counts),
    }
}

const fn counts(counts: Counts) -> LayerCounts {
    let Counts { admitted, would_refuse, refused } = counts;
    LayerCounts { admitted, would_refuse, refused }
}

fn shed_from(threshold: u16) -> Option<u16> {
    (threshold < ADMIT_ALL).then_some(threshold)
}

fn millis(length: Duration) -> f64 {
    length.as_secs_f64() * 1_000.0
}

const fn word(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Open => "open",
        State::HalfOpen => "half_open",
        State::Ramp => "ramp",
    }
}
