//! Protection from overload, as exchanges live with it: what holds the state that outlasts them,
//! what they note of each layer's decision, and what operators see of both.
//!
//! The layers themselves decide in `headgate_router::overload`; each has its step in `step/`.

mod admission;
mod meter;
mod rates;
mod state;
pub(crate) mod told;

use std::time::Duration;

use headgate_router::overload::{
    instance::Instance,
    mode::{Mode, Ruled as Rule},
    priority::Usage,
    verdict::{ADMIT_ALL, Layer, Reason, Refusal},
};

use crate::settings;

pub(crate) use self::admission::{Admission, Permit, Permits, Waits};
pub use self::meter::Machine;
pub(crate) use self::meter::{Meter, watch_thread};
pub(crate) use self::rates::RouteRate;
pub use self::state::{
    EndpointLimits, GateState, InstanceState, Limits, RateState, RouteLimits, UpstreamLimits,
};

/// Rulings that one exchange notes.
pub const RULINGS_MAX: usize = 8;

/// What one layer said to one exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ruling {
    /// The layer.
    pub layer: Layer,
    /// The mode in force then.
    pub mode: Mode,
    /// What it said.
    pub ruled: Ruled,
    /// Why, when it refused or would have.
    pub reason: Option<Reason>,
    /// What was measured, in the reason's unit. Of who was admitted by a concurrency limit: the
    /// requests in flight; else zero.
    pub observed: f64,
    /// What it might be at most. Of who was admitted by a concurrency limit: the limit; else zero.
    pub limit: f64,
    /// The request's rank, from 0 (kept longest) to 511.
    pub level: u16,
    /// Ranks from this one on were refused; 512 when none was, or when ranks play no part.
    pub threshold: u16,
    /// When trying again makes sense; zero for who was admitted.
    pub retry_after: Duration,
    /// Time in the layer's queue.
    pub waited: Duration,
}

/// What a layer said, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ruled {
    /// It may pass.
    Admitted,
    /// It may pass, only because the layer does not enforce.
    WouldRefuse,
    /// It may not.
    Refused,
}

impl Ruled {
    /// The word used in answers, metrics and traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::WouldRefuse => "would_refuse",
            Self::Refused => "refused",
        }
    }
}

impl Ruling {
    /// The ruling for who may pass.
    pub(crate) fn admitted(layer: Layer, mode: Mode, level: u16) -> Self {
        Self {
            layer,
            mode,
            ruled: Ruled::Admitted,
            reason: None,
            observed: 0.0,
            limit: 0.0,
            level,
            threshold: ADMIT_ALL,
            retry_after: Duration::ZERO,
            waited: Duration::ZERO,
        }
    }

    /// The ruling for who may not pass, or might not have.
    pub(crate) fn refused(refusal: &Refusal, mode: Mode, ruled: Ruled) -> Self {
        Self {
            layer: refusal.layer,
            mode,
            ruled,
            reason: Some(refusal.reason),
            observed: refusal.observed,
            limit: refusal.limit,
            level: refusal.level,
            threshold: refusal.threshold,
            retry_after: refusal.retry_after,
            waited: Duration::ZERO,
        }
    }

    /// The ruling that a layer's own answer comes to.
    pub(crate) fn of(rule: Rule, layer: Layer, mode: Mode, level: u16) -> Self {
        match rule {
            Rule::Admitted => Self::admitted(layer, mode, level),
            Rule::WouldRefuse(refusal) => Self::refused(&refusal, mode, Ruled::WouldRefuse),
            Rule::Refused(refusal) => Self::refused(&refusal, mode, Ruled::Refused),
        }
    }
}

/// What of the protection belongs to the whole edge.
#[derive(Debug, Default)]
pub(crate) struct Protection {
    /// How long each user's calls have held permits.
    pub(crate) usage: Usage,
    /// Sheds by rank when the edge itself is overloaded.
    pub(crate) instance: Instance,
    /// What that goes by.
    pub(crate) meter: Meter,
}

impl Protection {
    /// Puts it in force as configured.
    pub(crate) fn enforce(&self, settings: &settings::Overload) {
        self.instance.switch().set(settings.mode);
        self.instance.set_cuts(settings.cut);
        self.instance.set_busy_from(settings.cpu);
    }

    /// It as it stands.
    pub(crate) fn state(&self, in_flight: usize) -> InstanceState {
        let (signals, machine) = self.meter.last();
        let switch = self.instance.switch();
        InstanceState {
            mode: switch.mode(),
            counts: switch.counts(),
            threshold: self.instance.threshold(),
            signals,
            machine,
            is_memory_full: self.meter.is_memory_full(),
            in_flight,
        }
    }
}
