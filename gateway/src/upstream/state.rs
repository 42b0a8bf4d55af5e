//! Upstreams as they stand, for operators.

use std::sync::Arc;

use headgate_router::{balance::Load, health};
use headgate_types::Moment;

use crate::upstream::{DiscoveryState, Upstream};

/// An upstream as it stands at a moment.
#[derive(Clone, Debug)]
pub struct UpstreamState {
    /// The team that owns it.
    pub team: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// How its endpoints are found. None: they are configured.
    pub discovery: Option<DiscoveryState>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointState>,
}

/// An endpoint as it stands at a moment.
#[derive(Clone, Debug)]
pub struct EndpointState {
    /// Its address.
    pub address: Arc<str>,
    /// What it has to do.
    pub load: Load,
    /// What checks say of it, and what was wrong at the last one. None where nothing is checked.
    pub health: Option<(health::State, Option<&'static str>)>,
    /// Whether it gets no calls because somebody wants so.
    pub is_drained: bool,
    /// Its share of the calls, as compared with others.
    pub weight: u16,
    /// The zone that it stands in. None: nobody has said.
    pub zone: Option<Arc<str>>,
}

impl Upstream {
    /// The upstream as it stands.
    pub(crate) fn state(&self, now: Moment) -> UpstreamState {
        let checked = |at| {
            let standing = self.fitness.as_ref()?.standing(at)?.checked();
            let is_checked = self.settings.health.is_some();
            is_checked.then(|| (standing.health.state(), standing.fault))
        };
        let endpoint = |(at, address): (usize, &Arc<str>)| EndpointState {
            address: Arc::clone(address),
            load: self.balancer.load(at, now),
            health: checked(at),
            is_drained: self.fitness.as_ref().is_some_and(|fitness| fitness.is_drained(at)),
            weight: self.settings.endpoints.get(at).map_or(1, |one| one.weight.get()),
            zone: self.settings.endpoints.get(at).and_then(|one| one.zone.clone()),
        };
        UpstreamState {
            team: Arc::clone(&self.settings.team),
            name: Arc::clone(&self.settings.name),
            discovery: self.looked_up.as_ref().map(|looked_up| looked_up.state(now)),
            endpoints: self.addresses.iter().enumerate().map(endpoint).collect(),
        }
    }
}
