//! What holds for every connection and exchange that begins now.

use std::{
    net::{IpAddr, SocketAddr},
    sync::OnceLock,
};

use headgate_telemetry::{
    Metrics, RouteMetrics, RulingMetrics, access::Members, catalog::NO_ROUTE,
};
use http::HeaderMap;
use ipnet::IpNet;

use crate::{
    client,
    edge::Edge,
    geo::Geo,
    settings::{self, AccessLog, ClientAddress, Slow},
};

/// Stands for team and route of requests for the edge itself; no name of a configuration begins so.
const OWN: &str = "_headgate";
/// Stands for team and route of probes.
const PROBE: &str = "_probe";

/// What holds for every connection and exchange that begins now.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) limits: settings::Limits,
    pub(crate) drain: settings::Drain,
    pub(crate) push: settings::Push,
    trusted_peers: Vec<IpNet>,
    pub(crate) client_address: ClientAddress,
    /// Tells where clients are.
    pub(crate) geo: Option<Geo>,
    /// Name servers that endpoints are looked up at. None: those of this machine.
    pub(crate) dns_servers: Option<Vec<SocketAddr>>,
    pub(crate) digest: Box<str>,
    /// Requests that no route took.
    pub(crate) unrouted: RouteMetrics,
    /// Requests for the edge itself.
    pub(crate) own: RouteMetrics,
    /// Requests that the edge sends to itself.
    pub(crate) probes: RouteMetrics,
    /// What layers say of requests before a route is known.
    rulings: OnceLock<RulingMetrics>,
    /// What the access line of every exchange says of the configuration.
    pub(crate) members: Members,
    /// Whether access lines are written.
    pub(crate) writes_lines: bool,
    /// Which exchanges are told because they took long.
    pub(crate) slow: Slow,
}

impl Terms {
    pub(super) fn new(edge: &settings::Edge, metrics: &Metrics, digest: &str) -> Self {
        Self {
            limits: edge.limits.clone(),
            drain: edge.drain.clone(),
            push: edge.push,
            trusted_peers: edge.trusted_peers.clone(),
            client_address: edge.client_address,
            geo: edge.geo.clone(),
            dns_servers: edge.dns_servers.clone(),
            digest: digest.into(),
            unrouted: metrics.no_route(),
            own: metrics.route(OWN, OWN),
            probes: metrics.route(PROBE, PROBE),
            rulings: OnceLock::new(),
            members: Members::of(&[("config", digest)]),
            writes_lines: edge.access_log == AccessLog::Stdout,
            slow: edge.slow,
        }
    }

    /// Counts what layers say of requests before a route is known.
    pub(crate) fn rulings(&self, edge: &Edge) -> &RulingMetrics {
        self.rulings.get_or_init(|| edge.rulings(NO_ROUTE, NO_ROUTE))
    }

    /// Whether whoever connects from an address does so for its clients.
    pub(crate) fn proxies(&self, peer: IpAddr) -> bool {
        let is_told =
            matches!(self.client_address, ClientAddress::Forwarded | ClientAddress::XForwardedFor);
        is_told && self.trusts(peer)
    }

    /// The client that the headers of a trusted peer tell.
    pub(crate) fn told(&self, headers: &HeaderMap) -> Option<IpAddr> {
        client::told(self.client_address, headers, &self.trusted_peers)
    }

    /// Whether a peer's trace and forwarding headers are taken over.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_peers.iter().any(|net| net.contains(&peer))
    }
}
