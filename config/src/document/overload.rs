//! What protects from overload: of the edge, of upstreams and of routes.

use std::{num::NonZeroU32, time::Duration};

use headgate_gateway::settings as gateway;
use headgate_router::overload::mode::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::{LayerMode, PerTime, RouteId, Share};

/// How the edge protects itself.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Overload {
    /// What is done when the edge itself is overloaded: its tasks wait for their turn, and its CPU
    /// is in use. Requests are then refused by rank, the least important first, before anybody
    /// is authenticated. `off`, `observe` (count what would be refused), `enforce`, or
    /// `enforce:25%` for a share of what would be refused.
    pub(crate) mode: LayerMode,
    /// The share of the CPU that the process may use, by its quota or its threads, from which the
    /// edge counts as busy. It sheds only where late timers or the requests in flight say the
    /// same; from two thirds of this share on, late timers alone suffice.
    pub(crate) cpu: Share,
    /// Shares of a class that are refused whatever the load is, by whoever operates the edge: to
    /// take load off in an incident, or to see whether it is true that nobody misses a class.
    /// There is none for critical requests.
    pub(crate) cut: Cut,
    /// Routes that no layer may refuse, whatever else is configured, as `team/route`: what must be
    /// reachable in an incident. They take no permits.
    #[schemars(length(max = 64))]
    pub(crate) exempt: Vec<RouteId>,
}

impl Default for Overload {
    fn default() -> Self {
        let gateway::Overload { mode, cpu, .. } = gateway::Overload::default();
        let (mode, cpu) = (LayerMode(mode), Share(cpu));
        Self { mode, cpu, cut: Cut::default(), exempt: Vec::new() }
    }
}

/// Shares of a class that are refused whatever the load is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cut {
    /// Of class `standard`.
    pub(crate) standard: Share,
    /// Of class `best_effort`.
    pub(crate) best_effort: Share,
    /// Of class `bulk`.
    pub(crate) bulk: Share,
}

/// Requests at once. The limit follows what the upstream can take, between `min` and `max`. Who
/// finds no room waits for a moment, then is refused, the least important first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Concurrency {
    /// `off`, `observe` (count what would be refused), `enforce`, or `enforce:25%` for a share of
    /// what would be refused.
    pub(crate) mode: LayerMode,
    /// The limit before anything is known of the upstream; within `min` and `max` in any case.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) initial: u32,
    /// The limit never falls below this. Whoever knows the upstream's slots sets it to them.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) min: u32,
    /// The limit never rises above this.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) max: u32,
}

impl Default for Concurrency {
    fn default() -> Self {
        let gateway::Concurrency { mode, initial, min, max } = gateway::Concurrency::default();
        Self { mode: LayerMode(mode), initial, min, max }
    }
}

/// Keeps calls from an endpoint that fails, as long as others are left: at most half of the
/// endpoints are left out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Breaker {
    /// `off`, `observe` (count what would be refused), `enforce`, or `enforce:25%` for a share of
    /// what would be refused.
    pub(crate) mode: LayerMode,
    /// Failures in a row after which an endpoint is left out. One that fails one call in five over
    /// ten seconds is left out too.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) consecutive_failures: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        let gateway::Breaker { mode, consecutive_failures } = gateway::Breaker::default();
        Self { mode: LayerMode(mode), consecutive_failures }
    }
}

/// So many requests in so much time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["rate"]))]
pub(crate) struct RateLimit {
    /// What is counted apart: each device, each user, or the route as a whole. Of callers that no
    /// identity source knows, each client address counts as one.
    pub(crate) per: Per,
    /// Whose requests it counts: `all`, those of callers that an identity source knows (`known`),
    /// or those of all others (`anonymous`).
    pub(crate) callers: Callers,
    /// Requests per second (`5/s`), minute (`100/m`) or hour (`1000/h`), spread evenly.
    pub(crate) rate: PerTime,
    /// Requests that may come at once after a pause. Without this key: as many as in the rate.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) burst: Option<u32>,
    /// `off`, `observe` (count what would be refused), `enforce`, or `enforce:25%` for a share of
    /// devices, users or routes that go beyond.
    pub(crate) mode: LayerMode,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            per: Per::default(),
            callers: Callers::default(),
            rate: PerTime((NonZeroU32::MIN, Duration::from_secs(1))),
            burst: None,
            mode: LayerMode(Mode::default()),
        }
    }
}

/// Whose requests a rate counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Callers {
    /// Everybody's.
    #[default]
    All,
    /// Those of callers that an identity source knows.
    Known,
    /// Those of all others.
    Anonymous,
}

/// What a rate counts apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Per {
    /// Each device.
    #[default]
    DeviceId,
    /// Each user.
    User,
    /// The route as a whole.
    Route,
}

/// While most of a route's requests fail, a share of them is not even tried: it falls with each
/// success, and is never more than nine in ten.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Throttle {
    /// `off`, `observe` (count what would be refused), `enforce`, or `enforce:25%` for a share of
    /// what would be refused.
    pub(crate) mode: LayerMode,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { mode: LayerMode(Mode::default()) }
    }
}

/// What answers in the upstream's place where a request is refused for load, or where the upstream
/// can't be reached: another upstream by `to`, or an answer by `status`, `type`, and `body` or
/// `file`. The answer carries `headgate-degraded: 1`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fallback {
    /// Another upstream of the team. It gets requests of which nothing was sent before.
    pub(crate) to: Option<String>,
    /// The answer's status.
    #[schemars(range(min = 200, max = 599))]
    pub(crate) status: u16,
    /// The answer's `content-type`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) content_type: String,
    /// The answer's body.
    #[schemars(length(max = 65_536))]
    pub(crate) body: Option<String>,
    /// A file with the answer's body, in the team's own folder, of at most 256 KiB. It is read again
    /// when it changes; while it can't be used, the last good one answers. A fallback has this,
    /// `body` or `to`.
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) file: Option<String>,
}

impl Default for Fallback {
    fn default() -> Self {
        Self {
            to: None,
            status: 200,
            content_type: "application/json".to_owned(),
            body: None,
            file: None,
        }
    }
}
