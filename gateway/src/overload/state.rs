//! The protection as it stands at a moment, for operators.

use std::sync::Arc;

use headgate_router::overload::{
    breaker,
    concurrency::Status,
    instance::Signals,
    mode::{Counts, Mode},
    rate::Rate,
};

use headgate_types::Class;

use super::Machine;
use crate::settings;

/// Everything that protects, as it stands.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The edge itself.
    pub instance: InstanceState,
    /// Upstreams, in the order of the settings.
    pub upstreams: Vec<UpstreamLimits>,
    /// Routes, in the order of the settings.
    pub routes: Vec<RouteLimits>,
}

/// The edge's own protection as it stands.
#[derive(Clone, Copy, Debug)]
pub struct InstanceState {
    /// The mode in force.
    pub mode: Mode,
    /// What it has decided.
    pub counts: Counts,
    /// Ranks from this one on are shed; 512 when none is.
    pub threshold: u16,
    /// What was last measured.
    pub signals: Signals,
    /// What the machine last said.
    pub machine: Machine,
    /// Whether connections are refused for want of memory.
    pub is_memory_full: bool,
    /// Exchanges and tunnels in flight.
    pub in_flight: usize,
}

/// A gate as it stands.
#[derive(Clone, Copy, Debug)]
pub struct GateState {
    /// The mode in force.
    pub mode: Mode,
    /// The limit, who holds its permits, and who waits.
    pub status: Status,
}

/// What protects an upstream, as it stands.
#[derive(Clone, Debug)]
pub struct UpstreamLimits {
    /// The team that owns it.
    pub team: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its limit as configured.
    pub concurrency: settings::Concurrency,
    /// Its gate. None: no request has asked yet.
    pub gate: Option<GateState>,
    /// Its breakers as configured.
    pub breaker: settings::Breaker,
    /// What its breakers have decided.
    pub breaker_counts: Counts,
    /// Its endpoints.
    pub endpoints: Vec<EndpointLimits>,
}

/// What protects an endpoint, as it stands.
#[derive(Clone, Debug)]
pub struct EndpointLimits {
    /// Its address.
    pub address: Arc<str>,
    /// Its breaker.
    pub breaker: breaker::State,
    /// How often that has opened.
    pub opened: u64,
}

/// What protects a route, as it stands.
#[derive(Clone, Debug)]
pub struct RouteLimits {
    /// The team that owns it.
    pub team: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The upstream that it names first. None: it publishes.
    pub upstream: Option<Arc<str>>,
    /// The class of its requests.
    pub priority: Class,
    /// Whether no layer may refuse its requests.
    pub is_exempt: bool,
    /// Its own gate. None: it has no limit of its own, or no request has asked yet.
    pub gate: Option<GateState>,
    /// Its rates.
    pub rates: Vec<RateState>,
    /// Whether a share of its requests is not even tried while it fails: the mode in force, and
    /// what was decided.
    pub throttle: (Mode, Counts),
    /// The budget of its retries: the mode in force, and what was decided.
    pub retry: (Mode, Counts),
    /// Retries that could be made at once.
    pub retries_left: f64,
}

/// One rate of a route as it stands.
#[derive(Clone, Copy, Debug)]
pub struct RateState {
    /// What is counted apart.
    pub per: settings::Per,
    /// The rate.
    pub rate: Rate,
    /// The mode in force.
    pub mode: Mode,
    /// What was decided.
    pub counts: Counts,
}
