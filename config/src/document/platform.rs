//! `headgate.toml`, the platform's file.

use std::{collections::BTreeMap, time::Duration};

use headgate_gateway::settings as gateway;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{
    events::{Events, Topic},
    idempotency::{DynamoDb, RecordStore},
    identity::{Identity, Whoami},
    overload::Overload,
    owner::Team,
    probe::Probe,
    push::Push,
    scalar::{Address, Length, LengthOrZero, Name, Network, Size, Test},
    sink::Sink,
    split::Testers,
    telemetry::{Slow, Traces},
    why::Why,
};

/// The platform's file: listeners, identity sources, device classes, teams and their claims.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Platform {
    /// Where the edge listens, and what one client may use up.
    pub(crate) edge: Edge,
    /// The listener for operators and machines.
    pub(crate) admin: Admin,
    /// What lasts longer than the process.
    pub(crate) data: Data,
    /// What `headgate why` can tell of recent exchanges.
    pub(crate) why: Why,
    /// Which exchanges are told in the process's log because they took long.
    pub(crate) slow: Slow,
    /// Where traces are sent.
    pub(crate) traces: Traces,
    /// Where idempotency records are kept.
    pub(crate) idempotency: Idempotency,
    /// Where events are kept.
    pub(crate) events: Events,
    /// What topics are, where they are not as others.
    #[schemars(extend("propertyNames" = { "x-syntax": "topic" }, "maxProperties" = 1000))]
    pub(crate) topic: BTreeMap<String, Topic>,
    /// Topics that go into tables of a database, by the sinks' names. A sink's name and a table's
    /// are the name of how far it is: they should not change.
    #[schemars(extend("propertyNames" = { "x-syntax": "name" }, "maxProperties" = 64))]
    pub(crate) sink: BTreeMap<String, Sink>,
    /// Requests that the edge sends to itself, by name.
    #[schemars(extend("propertyNames" = { "x-syntax": "name" }, "maxProperties" = 64))]
    pub(crate) probe: BTreeMap<String, Probe>,
    /// Where the teams' files are.
    pub(crate) routes: Routes,
    /// Identity sources by name: what routes name in `auth`.
    #[schemars(extend("propertyNames" = { "x-syntax": "name" }, "maxProperties" = 64))]
    pub(crate) identity: BTreeMap<String, Identity>,
    /// Testers, who may choose their arm of a split route. Without it nobody may.
    pub(crate) testers: Option<Testers>,
    /// Who may ask `/_headgate/whoami` what the edge makes of a caller. Without it nobody may.
    pub(crate) whoami: Option<Whoami>,
    /// The signed identity that BFFs receive.
    pub(crate) passport: Passport,
    /// Device classes in order: the first one that matches wins.
    #[schemars(length(max = 256))]
    pub(crate) device: Vec<Device>,
    /// Teams by name, with what each may route.
    #[schemars(extend("propertyNames" = { "x-syntax": "name" }, "maxProperties" = 1024))]
    pub(crate) team: BTreeMap<String, Team>,
}

/// Where the edge listens, and what one client may use up.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Edge {
    /// Addresses for HTTP/1.1, and HTTP/2 with prior knowledge, without TLS. Port 0 takes a free
    /// port. Without this key: `127.0.0.1:8080`, or nothing where `edge.tls` is set.
    #[schemars(length(max = 64))]
    pub(crate) listen: Option<Vec<Address>>,
    /// The TLS listener. Without it there is none.
    pub(crate) tls: Option<Tls>,
    /// Threads that serve connections; each keeps upstream connections of its own. Without this
    /// key: one for each processor.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) threads: Option<u32>,
    /// Peers whose `traceparent` is taken over. From anybody else a new trace begins.
    #[schemars(length(max = 1024))]
    pub(crate) trusted_peers: Vec<Network>,
    /// Where the address of a client behind a trusted peer is read: `peer` (nowhere: whoever
    /// connects is the client), `x-forwarded-for`, `forwarded` (RFC 7239), or `proxy-protocol`
    /// (version 1 or 2, which trusted peers must then send first on each connection). Of a list the
    /// last address counts that is no trusted peer's.
    pub(crate) client_address: ClientAddress,
    /// File of MaxMind's format that tells where addresses are, as databases of countries and cities
    /// do. With it BFFs get `headgate-geo`. A file that changes is read again.
    pub(crate) geo: Option<String>,
    /// Name servers at which upstreams' `dns` is looked up. Without this key: those in
    /// `/etc/resolv.conf`, as they are when the process starts.
    #[schemars(length(min = 1, max = 8))]
    pub(crate) dns_servers: Option<Vec<Address>>,
    /// The zone that this edge stands in. Endpoints of the same zone are preferred while they have
    /// the capacity for their share of all calls. Without this key: all zones are alike.
    pub(crate) zone: Option<Name>,
    /// Bytes of one request body. A route may set its own.
    pub(crate) max_body: Size,
    /// Bytes of one request head, and of an HTTP/2 header list.
    pub(crate) max_head: Size,
    /// Headers of one request.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) max_headers: u32,
    /// Connections in all.
    #[schemars(range(min = 1))]
    pub(crate) max_connections: u32,
    /// Connections of one client address.
    #[schemars(range(min = 1))]
    pub(crate) max_connections_per_client: u32,
    /// Streams that one HTTP/2 connection may have open.
    #[schemars(range(min = 1))]
    pub(crate) max_h2_streams: u32,
    /// Time from a request's first byte to the end of its head, however slowly it drips.
    pub(crate) header_timeout: Length,
    /// Time between two pieces of a request body.
    pub(crate) body_idle: Length,
    /// Time between two pieces of a streamed answer, of silence on a WebSocket, and for which a
    /// client may take nothing of an answer.
    pub(crate) stream_idle: Length,
    /// Time of one exchange on a route that names none.
    pub(crate) timeout: Length,
    /// Time that an HTTP/1.1 connection may wait for its next request.
    pub(crate) keep_alive: Length,
    /// Time that an HTTP/2 connection without open streams is kept.
    pub(crate) h2_idle: Length,
    /// How the edge protects itself from overload.
    pub(crate) overload: Overload,
    /// How the edge ends after SIGTERM.
    pub(crate) drain: Drain,
    /// Clients that wait for results at `/_headgate/push`.
    pub(crate) push: Push,
    /// Where a JSON line for each exchange goes. Without it nobody can look a single request up;
    /// metrics count it all the same.
    pub(crate) access_log: AccessLog,
}

impl Default for Edge {
    fn default() -> Self {
        let limits = gateway::Limits::default();
        Self {
            listen: None,
            tls: None,
            threads: None,
            trusted_peers: Vec::new(),
            client_address: ClientAddress::default(),
            geo: None,
            dns_servers: None,
            zone: None,
            max_body: Size(limits.body_bytes_max),
            max_head: Size(limits.header_bytes_max),
            max_headers: count(limits.headers_max.get()),
            max_connections: count(limits.connections_max.get()),
            max_connections_per_client: count(limits.connections_per_client_max.get()),
            max_h2_streams: limits.h2_streams_max,
            header_timeout: Length(limits.header_timeout),
            body_idle: Length(limits.body_idle),
            stream_idle: Length(limits.stream_idle),
            timeout: Length(limits.request_timeout),
            keep_alive: Length(limits.keep_alive),
            h2_idle: Length(limits.h2_idle),
            overload: Overload::default(),
            drain: Drain::default(),
            push: Push::default(),
            access_log: AccessLog::default(),
        }
    }
}

/// Where the address of a client behind a trusted peer is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClientAddress {
    /// Nowhere: whoever connects is the client.
    #[default]
    Peer,
    /// In `x-forwarded-for`.
    XForwardedFor,
    /// In `forwarded`.
    Forwarded,
    /// Before everything else on the connection.
    ProxyProtocol,
}

/// Where a JSON line for each exchange goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AccessLog {
    /// To standard output.
    #[default]
    Stdout,
    /// Nowhere.
    Off,
}

pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The TLS listener.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["listen", "cert", "key"]))]
pub(crate) struct Tls {
    /// Addresses for HTTP/1.1 and HTTP/2, chosen by ALPN.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) listen: Vec<Address>,
    /// PEM file with the certificate chain, leaf first, for clients that name no server or one that
    /// no certificate covers. Relative to this file, as every path here.
    pub(crate) cert: String,
    /// PEM file with its private key.
    pub(crate) key: String,
    /// Further certificates, each served to clients that name a server which it covers.
    #[schemars(length(max = 1024))]
    pub(crate) certificates: Vec<Certificate>,
    /// PEM file with the certificates of the authorities that vouch for clients. With it clients
    /// are asked for a certificate, which identity sources with `client_cert` read.
    pub(crate) client_ca: Option<String>,
    /// Whether a client may come without a certificate: `optional`, or `required`.
    pub(crate) client_auth: Option<ClientAuth>,
}

/// Whether a client may come without a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientAuth {
    /// It may; a route decides who may call it.
    #[default]
    Optional,
    /// It gets no connection.
    Required,
}

/// A further certificate.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["cert", "key"]))]
pub(crate) struct Certificate {
    /// PEM file with the certificate chain, leaf first.
    pub(crate) cert: String,
    /// PEM file with its private key.
    pub(crate) key: String,
}

/// How the edge ends after SIGTERM.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Drain {
    /// Time that connections are still accepted after `/readyz` says no, so that a load balancer
    /// notices before it is refused. Must end before `deadline`.
    pub(crate) accept_for: LengthOrZero,
    /// Time after which what is still in flight is cut off, counted from the signal.
    pub(crate) deadline: Length,
}

impl Default for Drain {
    fn default() -> Self {
        let drain = gateway::Drain::default();
        Self { accept_for: LengthOrZero(drain.accept_for), deadline: Length(drain.deadline) }
    }
}

/// The listener for operators and machines.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admin {
    /// Address for health, metrics, Passport keys and the `/v1` API. Nothing here asks who calls:
    /// keep it away from the public network. Port 0 takes a free port.
    pub(crate) listen: Address,
}

/// Where operators find the admin listener when nothing else is said.
const ADMIN_LISTEN: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9900);

impl Default for Admin {
    fn default() -> Self {
        Self { listen: Address(ADMIN_LISTEN) }
    }
}

/// What lasts longer than the process.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Data {
    /// Folder for what must last, made when it is missing: the private keys that sign Passports,
    /// and the embedded store. Without this key the private keys live in memory and every start
    /// makes new ones, and nothing can be stored.
    pub(crate) dir: Option<String>,
    /// How long the facts of a request are kept for `headgate plan --replay`, at most `1h`: when it
    /// came, its method, host and path, what device rules and routes read of it, and what became of
    /// it. Never a token, a body, or the value of a cookie or query parameter. `0s` keeps none, as
    /// does an edge without `dir`.
    pub(crate) facts: LengthOrZero,
}

/// Long enough to review a change in the morning's traffic.
const FACTS: Duration = Duration::from_mins(15);

/// The longest time that facts can be kept.
pub(crate) const FACTS_MAX: Duration = Duration::from_hours(1);

impl Default for Data {
    fn default() -> Self {
        Self { dir: None, facts: LengthOrZero(FACTS) }
    }
}

/// Where idempotency records are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Idempotency {
    /// The store: `embedded` is a file in `data.dir`, for one edge; `dynamodb` a table, for
    /// several. It is opened when a route needs it.
    pub(crate) store: RecordStore,
    /// The table. Only with `store = "dynamodb"`.
    pub(crate) dynamodb: Option<DynamoDb>,
}

/// Where the teams' files are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Routes {
    /// Folder that holds a folder for each team, with its files: `<dir>/<team>/<any>.toml`.
    pub(crate) dir: String,
}

impl Default for Routes {
    fn default() -> Self {
        Self { dir: "routes.d".to_owned() }
    }
}

/// The signed identity that BFFs receive in `headgate-passport`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Passport {
    /// The `iss` of every Passport.
    #[schemars(length(min = 1))]
    pub(crate) issuer: String,
    /// How long one lasts; never longer than the caller's own proof.
    pub(crate) ttl: Length,
    /// How long one signing key is used before the next takes over. Must be longer than `ttl`.
    pub(crate) rotate_every: Length,
}

impl Default for Passport {
    fn default() -> Self {
        let passport = gateway::Passport::default();
        Self {
            issuer: passport.issuer,
            ttl: Length(passport.ttl),
            rotate_every: Length(passport.rotate_every),
        }
    }
}

/// A device class.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name", "when"]))]
pub(crate) struct Device {
    /// The class: what routes name in `device=`.
    #[schemars(extend("x-syntax" = "name"))]
    pub(crate) name: String,
    /// Tests, one of which is enough: `header NAME`, `hint NAME` (of client hints: `platform`,
    /// `mobile`, `model`, `brand`), `ua`, `claim NAME`, each alone or with `== 'text'`,
    /// `contains 'text'` or `~ 'regex'`; or `*` for any request. A group `(?<ver>…)` of a regex
    /// finds the version of the device's app.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) when: Vec<Test>,
}
