//! What `/v1/status` and `/v1/routes` answer.

use std::{fmt, net::SocketAddr};

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
    /// The configuration in force, and what came of the last load.
    pub config: ConfigStatus,
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

/// The configuration in force, and what came of the last load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigStatus {
    /// Its SHA-256.
    pub digest: String,
    /// Since when it is in force, RFC 3339.
    pub since: String,
    /// When files were last loaded, RFC 3339.
    pub loaded_at: String,
    /// What came of that: `applied`, `degraded`, `unchanged` or `rejected`.
    pub loaded: String,
    /// The platform's file, named `_platform`, and each team's files.
    pub parts: Vec<PartStatus>,
    /// Keys whose new values take effect only in a process that takes over.
    pub waits_for_hand_over: Vec<String>,
    /// How changes of the files are found: `events`, `poll`, or `nothing` where there are no files.
    pub watching: String,
    /// Whether what is in force is kept for a start that meets broken files.
    pub is_kept: bool,
    /// What stands over the files.
    pub overlays: Vec<OverlayStatus>,
}

/// The files of one owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartStatus {
    /// The team, or `_platform`.
    pub name: String,
    /// What is in force of it: `current`, `last_good`, or `absent`.
    pub state: String,
    /// What is wrong with its files, the first ones of many. None while they are in force.
    pub faults: Vec<FaultStatus>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultStatus {
    /// Its code, with a page in the documentation. None for what no page is about.
    pub code: Option<String>,
    /// Where: file, line and column, or what it was read from.
    pub at: String,
    /// The key, or nothing.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl fmt::Display for FaultStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, at, key, message } = self;
        write!(f, "{at}: ")?;
        if let Some(code) = code {
            write!(f, "{code}: ")?;
        }
        f.write_str(message)?;
        if key.is_empty() { Ok(()) } else { write!(f, " ({key})") }
    }
}

/// A value that somebody has put over the files' until it expires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OverlayStatus {
    /// Its number. Of two on one key, the higher one wins.
    pub id: u64,
    /// The key, such as `edge.timeout` or `team.tv.route.home.timeout`.
    pub key: String,
    /// The value.
    pub value: serde_json::Value,
    /// Who has set it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When it was set, RFC 3339.
    pub since: String,
    /// When it ends, RFC 3339.
    pub expires: String,
    /// Whether it has its effect. False while it does not fit the files.
    pub is_in_force: bool,
    /// Why it does not fit.
    pub faults: Vec<FaultStatus>,
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
