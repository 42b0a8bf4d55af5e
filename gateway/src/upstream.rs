//! Named services and the connections to their endpoints.

mod connect;
mod pool;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use headgate_router::balance::{Balancer, Load};
use headgate_telemetry::UpstreamMetrics;
use headgate_types::Moment;
use http::HeaderValue;

use crate::settings;
pub(crate) use crate::upstream::{
    connect::ConnectError,
    pool::{Lease, SendError},
};

/// An upstream as it stands at a moment.
#[derive(Clone, Debug)]
pub struct UpstreamState {
    /// The team that owns it.
    pub team: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
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
}

/// An upstream as the data path uses it.
pub(crate) struct Upstream {
    /// Unique in this process, so that connections of a replaced upstream are never mistaken.
    id: u64,
    /// What it was configured as.
    pub(crate) settings: settings::Upstream,
    /// `team/name`, the audience of its Passports.
    pub(crate) audience: Arc<str>,
    /// Each endpoint's address as text, for logs.
    pub(crate) addresses: Vec<Arc<str>>,
    /// Who is asked next.
    pub(crate) balancer: Balancer,
    /// What is counted.
    pub(crate) metrics: UpstreamMetrics,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl Upstream {
    /// Prepares an upstream; no connection is opened.
    pub(crate) fn new(settings: &settings::Upstream, metrics: UpstreamMetrics) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            audience: format!("{}/{}", settings.team, settings.name).into(),
            addresses: settings.endpoints.iter().map(|one| one.to_string().into()).collect(),
            settings: settings.clone(),
            balancer: Balancer::new(settings.endpoints.len()),
            metrics,
        })
    }

    /// The upstream as it stands.
    pub(crate) fn state(&self, now: Moment) -> UpstreamState {
        let load = |endpoint| self.balancer.load(endpoint, now);
        let endpoints = self.addresses.iter().enumerate();
        UpstreamState {
            team: Arc::clone(&self.settings.team),
            name: Arc::clone(&self.settings.name),
            endpoints: endpoints
                .map(|(at, address)| EndpointState { address: Arc::clone(address), load: load(at) })
                .collect(),
        }
    }

    /// The host for a client that names none: only HTTP/1.0 may.
    pub(crate) fn default_host(&self) -> HeaderValue {
        let first = self.settings.endpoints.first();
        let host = first.and_then(|endpoint| match endpoint {
            settings::Endpoint::Tcp(address) => HeaderValue::from_str(address).ok(),
            settings::Endpoint::Unix(_) => None,
        });
        host.unwrap_or(HeaderValue::from_static("localhost"))
    }
}
