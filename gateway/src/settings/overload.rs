//! What protects from overload, and whether it acts.

use bytes::Bytes;
use headgate_router::overload::{adaptive, breaker, mode::Mode, rate::Rate};
use headgate_types::Ratio;
use http::{HeaderValue, StatusCode};

/// The edge's own protection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overload {
    /// Whether requests are shed by rank when the edge itself is overloaded.
    pub mode: Mode,
    /// Share of the CPU that the process may use from which the edge counts as busy.
    pub cpu: Ratio,
    /// Shares of each class that are refused whatever the load is; of critical ones none is.
    pub cut: [Ratio; 4],
}

/// Enforces, and is busy from three quarters of the CPU on.
impl Default for Overload {
    fn default() -> Self {
        let cpu = Ratio::new(CPU).unwrap_or_default();
        Self { mode: Mode::default(), cpu, cut: [Ratio::default(); 4] }
    }
}

/// Netflix sheds from 0.6, go-zero at 0.9.
const CPU: f64 = 0.75;

/// What protects an upstream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamOverload {
    /// Requests at once, of all routes.
    pub concurrency: Concurrency,
    /// What keeps calls from an endpoint that fails.
    pub breaker: Breaker,
}

/// What protects a route, and what is behind it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteOverload {
    /// Whether no layer may refuse its requests.
    pub is_exempt: bool,
    /// Requests of this route at once, beside the upstream's limit. None: no limit of its own.
    pub concurrency: Option<Concurrency>,
    /// Requests per time.
    pub rates: Vec<RateLimit>,
    /// Whether a share of the requests of a route that fails is not even tried.
    pub throttle: Mode,
    /// Whether retries have a budget.
    pub retry: Mode,
    /// What answers in the upstream's place. None: the edge says what went wrong.
    pub fallback: Option<Fallback>,
}

/// Requests at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Concurrency {
    /// Whether the limit acts.
    pub mode: Mode,
    /// The limit before anything is known.
    pub initial: u32,
    /// Never fewer.
    pub min: u32,
    /// Never more.
    pub max: u32,
}

impl Default for Concurrency {
    fn default() -> Self {
        let adaptive::Settings { initial, min, max, .. } = adaptive::Settings::default();
        Self { mode: Mode::default(), initial, min, max }
    }
}

/// What keeps calls from an endpoint that fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// Whether it acts.
    pub mode: Mode,
    /// Failures in a row that open it.
    pub consecutive_failures: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        let breaker::Settings { consecutive_failures, .. } = breaker::Settings::default();
        Self { mode: Mode::default(), consecutive_failures }
    }
}

/// So many requests in so much time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Whether it acts.
    pub mode: Mode,
    /// Whose requests it counts.
    pub callers: Callers,
    /// What is counted apart.
    pub per: Per,
    /// The rate.
    pub rate: Rate,
}

/// Whose requests a rate counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Callers {
    /// Everybody's.
    #[default]
    All,
    /// Those of callers that an identity source knows.
    Known,
    /// Those of all others.
    Anonymous,
}

/// What a rate counts apart. Of callers that no identity source knows, each client address counts
/// as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// Each device.
    #[default]
    DeviceId,
    /// Each user.
    User,
    /// The route as a whole.
    Route,
}

impl Per {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeviceId => "device_id",
            Self::User => "user",
            Self::Route => "route",
        }
    }
}

/// What answers where a request was refused for load, or its upstream is out of reach.
#[derive(Clone, Debug, PartialEq)]
pub enum Fallback {
    /// Another upstream, as an index into [`super::Settings::upstreams`].
    Upstream(usize),
    /// An answer that stands in the configuration.
    Answer(StaticAnswer),
}

/// An answer that stands in the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticAnswer {
    /// The status, from 200 to 599.
    pub status: StatusCode,
    /// The `content-type`.
    pub content_type: HeaderValue,
    /// The body.
    pub body: Bytes,
}
