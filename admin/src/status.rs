//! What `/v1/status`, `/v1/routes`, `/v1/strangle` and `/v1/mirrors` answer.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

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
    /// How many changes of operators it has taken in. Edges of one log that say the same have the
    /// same overlays.
    pub version: u64,
    /// When files were last loaded, RFC 3339.
    pub loaded_at: String,
    /// What came of that: `applied`, `degraded`, `unchanged` or `rejected`.
    pub loaded: String,
    /// The platform's file, named `_platform`, and each team's files.
    pub parts: Vec<PartStatus>,
    /// Keys whose new values take effect only in a process that takes over.
    pub waits_for_hand_over: Vec<String>,
    /// Keys whose new values take effect only by a restart.
    pub waits_for_restart: Vec<String>,
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
    /// How its endpoints are looked up. None: they are configured.
    pub discovery: Option<DiscoveryStatus>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointStatus>,
}

/// How the endpoints of an upstream are looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiscoveryStatus {
    /// What name servers are asked for.
    pub question: String,
    /// Seconds since the last good answer, whose endpoints are in force. None: there was none.
    pub age_seconds: Option<u64>,
    /// What was wrong at the last look, or none.
    pub fault: Option<String>,
    /// Addresses beyond the limit of one upstream, which are left out.
    pub left_out: usize,
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
    /// What checks say: `unchecked`, `healthy` or `unhealthy`. None where nothing is checked.
    pub health: Option<String>,
    /// What was wrong at the last check.
    pub fault: Option<String>,
    /// Whether it gets no calls because somebody wants so.
    pub is_drained: bool,
    /// Its share of the calls, as compared with others.
    pub weight: u16,
    /// The zone that it stands in. None where nobody has said.
    pub zone: Option<String>,
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
    /// The upstream that it sends to, or `event TOPIC/TYPE` where it publishes.
    pub to: String,
    /// The identity source that it asks for, or `none`.
    pub auth: String,
    /// What its requests are worth.
    pub priority: String,
    /// Time of one exchange, such as `900ms`.
    pub timeout: String,
}

/// One route on its way off a legacy service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StrangleStatus {
    /// The team that owns the route.
    pub team: String,
    /// The route.
    pub route: String,
    /// What it matches.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The upstream of the legacy service.
    pub old: String,
    /// The upstream that takes over. None for a route that has not begun.
    pub new: Option<String>,
    /// The share that should have left, such as `25%`.
    pub weight: String,
    /// Requests counted on the legacy service.
    pub old_requests: u64,
    /// Requests counted elsewhere.
    pub new_requests: u64,
    /// Since when they are counted, RFC 3339: the start of the process, or later.
    pub since: String,
    /// The last request on the legacy service, RFC 3339. None: none since then.
    pub old_seen: Option<String>,
    /// When nobody may be left, RFC 3339. None: no date is set.
    pub ends: Option<String>,
    /// Whether that has passed and somebody may be left.
    pub is_overdue: bool,
    /// How far it is.
    pub stage: Stage,
}

/// How far a route is on its way off a legacy service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The route sends everything to the legacy service.
    NotBegun,
    /// A part should have left.
    Moving,
    /// Everybody should have left, and somebody came within the last hour: requests without what
    /// is sticky stay.
    Draining,
    /// Everybody should have left, and no request came at all.
    Idle,
    /// Everybody has left: requests came, and for an hour none to the legacy service.
    NothingLeft,
}

/// One route whose requests are copied to another upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MirrorStatus {
    /// The team that owns the route.
    pub team: String,
    /// The route.
    pub route: String,
    /// The upstream that gets the copies.
    pub to: String,
    /// The share of requests that are copied, such as `2%`.
    pub share: String,
    /// Since when copies are counted, RFC 3339.
    pub since: String,
    /// Copies by what became of them: the words of `headgate_gateway_mirror_requests_total`.
    pub copies: BTreeMap<String, u64>,
    /// What is compared.
    pub fields: Vec<FieldStatus>,
    /// Pairs of answers of which both times are known.
    pub pairs: u64,
    /// Pairs in which the mirror was slower.
    pub slower: u64,
    /// The caller's mean time to the answer's head, in milliseconds. None without a pair.
    pub caller_ms: Option<f64>,
    /// The mirror's.
    pub mirror_ms: Option<f64>,
}

/// One part of the answers that is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldStatus {
    /// The part, as the configuration spells it.
    pub field: String,
    /// Pairs that agree in it.
    pub same: u64,
    /// Pairs that do not.
    pub different: u64,
    /// Pairs of which it can't be said: a body is no JSON, or too long.
    pub incomparable: u64,
    /// The trace ID of the last pair that differed.
    pub last_different: Option<String>,
}
