//! The field's limits, by their published formulas and defaults.

use headgate_router::overload::adaptive;
use headgate_router::overload::limit::{Fixed, Limit};

pub use self::{
    aimd::Aimd, envoy::EnvoyGradient, failsafe::Failsafe, gradient2::Gradient2, vegas::Vegas,
};

mod aimd;
mod envoy;
mod failsafe;
mod gradient2;
mod vegas;

/// Which rule moves the limit.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// The router's default.
    Ours(adaptive::Settings),
    /// Netflix concurrency-limits, `Gradient2Limit`.
    Gradient2,
    /// Netflix concurrency-limits, `VegasLimit`.
    Vegas,
    /// Netflix concurrency-limits, `AIMDLimit`.
    Aimd,
    /// Envoy's adaptive concurrency filter.
    Envoy,
    /// failsafe-go's adaptive limiter.
    Failsafe,
    /// A limit that never moves.
    Static(u32),
}

impl Rule {
    /// The router's default with its defaults.
    pub fn ours() -> Self {
        Self::Ours(adaptive::Settings::default())
    }

    /// All rules of the field, as published.
    pub const FIELD: [Self; 6] =
        [Self::Gradient2, Self::Vegas, Self::Aimd, Self::Envoy, Self::Failsafe, Self::Static(20)];

    /// The name used in tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "headgate",
            Self::Gradient2 => "Gradient2",
            Self::Vegas => "Vegas",
            Self::Aimd => "AIMD",
            Self::Envoy => "Envoy gradient",
            Self::Failsafe => "failsafe-go",
            Self::Static(_) => "static",
        }
    }

    /// A fresh limit; `initial` replaces the rule's own start where given.
    pub fn build(&self, initial: Option<u32>) -> Box<dyn Limit> {
        match *self {
            Self::Ours(settings) => {
                let initial = initial.unwrap_or(settings.initial);
                Box::new(adaptive::Adaptive::new(adaptive::Settings { initial, ..settings }))
            }
            Self::Gradient2 => Box::new(Gradient2::new(initial.unwrap_or(20))),
            Self::Vegas => Box::new(Vegas::new(initial.unwrap_or(20))),
            Self::Aimd => Box::new(Aimd::new(initial.unwrap_or(20))),
            Self::Envoy => Box::new(EnvoyGradient::new(initial.unwrap_or(3))),
            Self::Failsafe => Box::new(Failsafe::new(initial.unwrap_or(20))),
            Self::Static(limit) => Box::new(Fixed(initial.unwrap_or(limit))),
        }
    }
}
