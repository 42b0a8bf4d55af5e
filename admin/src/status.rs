//! What `/v1/status` and `/v1/routes` answer.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of one edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Start of the process, RFC 3339.
    pub started_at: String,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// `starting`, `ready` or `draining`.
    pub readiness: String,
    /// SHA-256 of the configuration in force.
    pub config_digest: String,
    /// Bound addresses.
    pub listeners: Vec<ListenerStatus>,
    /// Teams that own routes or upstreams.
    pub teams: Vec<String>,
    /// Number of routes.
    pub routes_count: usize,
    /// Upstreams with their endpoints.
    pub upstreams: Vec<UpstreamStatus>,
    /// Identity sources.
    pub identity: Vec<IdentityStatus>,
    /// Exchanges that have begun and not ended.
    pub in_flight: u64,
    /// Connections of clients that are open.
    pub connections: u64,
    /// Access lines dropped since the start.
    pub access_lines_dropped: u64,
}

/// One bound address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerStatus {
    /// `plain`, `tls` or `admin`.
    pub kind: String,
    /// The address, with the port that the system chose where 0 was asked for.
    #[schemars(with = "String")]
    pub address: SocketAddr,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamStatus {
    /// The team that owns it.
    pub team: String,
    /// Its name in the team.
    pub name: String,
    /// Its endpoints.
    pub endpoints: Vec<EndpointStatus>,
}

/// One endpoint of an upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointStatus {
    /// Its address.
    pub address: String,
    /// Attempts that have begun and not ended.
    pub in_flight: u64,
    /// The latency that balancing goes by, in milliseconds. None before the first answer.
    pub latency_ms: Option<f64>,
}

/// One identity source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityStatus {
    /// Its name.
    pub name: String,
    /// `jwt` or `api_keys`.
    pub kind: String,
    /// Keys that it knows.
    pub keys_count: usize,
    /// Seconds since its keys were last fetched. None for keys from a file.
    pub keys_age_seconds: Option<u64>,
    /// Whether it can verify credentials.
    pub is_healthy: bool,
    /// What is wrong, or none.
    pub fault: Option<String>,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteStatus {
    /// The team that owns it.
    pub team: String,
    /// Its name in the team.
    pub name: String,
    /// What it matches, as the configuration spells it.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The upstream that it sends to.
    pub to: String,
    /// The identity source that it asks for, or `none`.
    pub auth: String,
    /// What its requests are worth.
    pub priority: String,
    /// Time of one exchange, such as `900ms`.
    pub timeout: String,
}
