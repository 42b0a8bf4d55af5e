//! Rulings as access lines and metrics take them.

use headgate_router::overload::{
    mode::Mode,
    verdict::{ADMIT_ALL, Layer, Reason},
};
use headgate_telemetry::{self as telemetry, LayerReason, access};
use headgate_types::Class;

use super::{Ruled, Ruling};

/// As a line says it.
pub(crate) fn line(ruling: &Ruling) -> access::Ruling {
    access::Ruling {
        layer: ruling.layer.as_str(),
        mode: match ruling.mode {
            Mode::Off => "off",
            Mode::Observe => "observe",
            Mode::Enforce(_) => "enforce",
        },
        ruled: ruled(ruling.ruled),
        reason: ruling.reason.map(Reason::as_str),
        observed: ruling.observed,
        limit: ruling.limit,
        level: ruling.level,
        threshold: (ruling.threshold < ADMIT_ALL).then_some(ruling.threshold),
        retry_after: ruling.retry_after,
        waited: ruling.waited,
    }
}

/// As it is counted.
pub(crate) fn count(class: Class, ruling: &Ruling) -> telemetry::Ruling {
    telemetry::Ruling {
        class,
        layer: layer(ruling.layer),
        ruled: ruled(ruling.ruled),
        reason: ruling.reason.map_or(LayerReason::None, reason),
    }
}

/// A layer's word as it is counted.
pub(crate) const fn ruled(ruled: Ruled) -> telemetry::Ruled {
    match ruled {
        Ruled::Admitted => telemetry::Ruled::Admitted,
        Ruled::WouldRefuse => telemetry::Ruled::WouldRefuse,
        Ruled::Refused => telemetry::Ruled::Refused,
    }
}

const fn layer(layer: Layer) -> telemetry::Layer {
    match layer {
        Layer::Connections => telemetry::Layer::Connections,
        Layer::Instance => telemetry::Layer::Instance,
        Layer::Rate => telemetry::Layer::Rate,
        Layer::Concurrency => telemetry::Layer::Concurrency,
        Layer::Breaker => telemetry::Layer::Breaker,
        Layer::Throttle => telemetry::Layer::Throttle,
        Layer::RetryBudget => telemetry::Layer::RetryBudget,
        Layer::Deadline => telemetry::Layer::Deadline,
    }
}

const fn reason(reason: Reason) -> LayerReason {
    match reason {
        Reason::SchedulerLag => LayerReason::SchedulerLag,
        Reason::Cpu => LayerReason::Cpu,
        Reason::Operator => LayerReason::Operator,
        Reason::RateExceeded => LayerReason::RateExceeded,
        Reason::LimitReached => LayerReason::LimitReached,
        Reason::ClassReserve => LayerReason::ClassReserve,
        Reason::PartitionShare => LayerReason::PartitionShare,
        Reason::Level => LayerReason::Level,
        Reason::QueueFull => LayerReason::QueueFull,
        Reason::QueueWait => LayerReason::QueueWait,
        Reason::QueueStanding => LayerReason::QueueStanding,
        Reason::DeadlineTooClose => LayerReason::DeadlineTooClose,
        Reason::BreakerOpen => LayerReason::BreakerOpen,
        Reason::ProbesTaken => LayerReason::ProbesTaken,
        Reason::FailureRate => LayerReason::FailureRate,
        Reason::BudgetEmpty => LayerReason::BudgetEmpty,
    }
}

#[cfg(test)]
mod tests;
