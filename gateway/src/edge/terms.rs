//! What holds for every connection and exchange that begins now.

use std::{net::IpAddr, sync::OnceLock};

use headgate_telemetry::{
    Metrics, RouteMetrics, RulingMetrics, access::Members, catalog::NO_ROUTE,
};
use ipnet::IpNet;

use crate::{
    edge::Edge,
    settings::{self, AccessLog},
};

/// Stands for team and route of requests for the edge itself; no name of a configuration begins so.
const OWN: &str = "_headgate";

/// What holds for every connection and exchange that begins now.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) limits: settings::Limits,
    pub(crate) drain: settings::Drain,
    pub(crate) push: settings::Push,
    trusted_peers: Vec<IpNet>,
    /// Requests that no route took.
    pub(crate) unrouted: RouteMetrics,
    /// Requests for the edge itself.
    pub(crate) own: RouteMetrics,
    /// What layers say of requests before a route is known.
    rulings: OnceLock<RulingMetrics>,
    /// What the access line of every exchange says of the configuration.
    pub(crate) members: Members,
    /// Whether access lines are written.
    pub(crate) writes_lines: bool,
}

impl Terms {
    pub(super) fn new(edge: &settings::Edge, metrics: &Metrics, digest: &str) -> Self {
        Self {
            limits: edge.limits.clone(),
            drain: edge.drain.clone(),
            push: edge.push,
            trusted_peers: edge.trusted_peers.clone(),
            unrouted: metrics.no_route(),
            own: metrics.route(OWN, OWN),
            rulings: OnceLock::new(),
            members: Members::of(&[("config", digest)]),
            writes_lines: edge.access_log == AccessLog::Stdout,
        }
    }

    /// Counts what layers say of requests before a route is known.
    pub(crate) fn rulings(&self, edge: &Edge) -> &RulingMetrics {
        self.rulings.get_or_init(|| edge.rulings(NO_ROUTE, NO_ROUTE))
    }

    /// Whether a peer's trace and forwarding headers are taken over.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_peers.iter().any(|net| net.contains(&peer))
    }
}
