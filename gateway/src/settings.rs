//! What can be tuned: the edge as the data path sees it, already validated.
//!
//! Whoever reads files turns them into these values; nothing here is read from a file.

use std::{fmt, net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use headgate_router::{device::Rule, hash_by::HashBy, pattern::Pattern};
use headgate_types::{ByteSize, Class, Ratio};
use ipnet::IpNet;

use crate::geo::Geo;

mod events;
mod idempotency;
mod identity;
mod mirror;
mod overload;
mod probe;
mod push;
mod recent;
mod split;
mod telemetry;
mod upstream;

pub use crate::settings::{
    events::{HANDLER_CONCURRENCY, Handler, Publish, Redelivery, Topic},
    idempotency::{ANSWER_BYTES_MAX, Idempotency, OnLost, StatusKind},
    identity::{
        ANONYMOUS, ApiKey, ApiKeys, CertificateIdentity, ClientAuth, IdentityKind, IdentitySource,
        Introspection, Jwt, KeySet, Secret,
    },
    mirror::{MIRROR_BODY_BYTES_MAX, MIRROR_TIMEOUT, Mirror},
    overload::{
        Breaker, Callers, Concurrency, Fallback, Overload, Per, RateLimit, RouteOverload,
        StaticAnswer, UpstreamOverload,
    },
    probe::Probe,
    push::Push,
    recent::Recent,
    split::{Arm, Split, SplitKind, Sticky, Testers},
    telemetry::{Slow, TRACES_PATH, TRACES_PER_SECOND, Traces},
    upstream::{Address, Dns, Endpoint, Health, Protocol, Question, Trust, Upstream, UpstreamTls},
};

/// Everything that an edge needs to serve.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Listeners and their limits.
    pub edge: Edge,
    /// Where identities come from, by name.
    pub identity: Vec<IdentitySource>,
    /// Who may choose an arm. None: nobody.
    pub testers: Option<Testers>,
    /// Who may ask what the edge makes of a caller. None: nobody.
    pub whoami: Option<Auth>,
    /// How Passports are signed.
    pub passport: Passport,
    /// Device classes in order: the first match wins.
    pub devices: Vec<Rule>,
    /// Upstreams, in the order of their ids.
    pub upstreams: Vec<Upstream>,
    /// Routes; their order never matters.
    pub routes: Vec<Route>,
    /// Topics that are published to or handled, in the order of their names.
    pub topics: Vec<Topic>,
    /// Functions that handle events, in the order of team and name.
    pub handlers: Vec<Handler>,
}

impl Settings {
    /// The identity sources that a route asks, as it names them: `accounts|anonymous`. None where
    /// anybody may call.
    pub fn sources_of(&self, auth: &Auth) -> Option<String> {
        let Auth::Source { sources, is_open, .. } = auth else { return None };
        let name = |source: &usize| self.identity.get(*source).map(|source| source.name.as_ref());
        let names: Vec<_> =
            sources.iter().filter_map(name).chain(is_open.then_some(ANONYMOUS)).collect();
        Some(names.join("|"))
    }
}

/// Listeners and their limits.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Addresses for HTTP/1.1 and HTTP/2 with prior knowledge, without TLS.
    pub listen: Vec<SocketAddr>,
    /// The TLS listener. None means no TLS.
    pub tls: Option<Tls>,
    /// Threads that serve connections. Each keeps its own upstream connections.
    pub threads: NonZeroUsize,
    /// Peers whose `traceparent` is taken over. Nobody by default.
    pub trusted_peers: Vec<IpNet>,
    /// Where the address of a client behind a trusted peer is read.
    pub client_address: ClientAddress,
    /// Tells where clients are. None: nobody does.
    pub geo: Option<Geo>,
    /// Name servers that endpoints are looked up at. None: those of this machine.
    pub dns_servers: Option<Vec<SocketAddr>>,
    /// What a client may use up.
    pub limits: Limits,
    /// How the edge protects itself from overload.
    pub overload: Overload,
    /// How the edge ends.
    pub drain: Drain,
    /// Clients that results are pushed to.
    pub push: Push,
    /// Whether each exchange is written down.
    pub access_log: AccessLog,
    /// What is kept of recent exchanges in memory.
    pub recent: Recent,
    /// Which exchanges are told because they took long.
    pub slow: Slow,
    /// Where traces are sent. None: nowhere.
    pub traces: Option<Traces>,
}

/// Where the address of a client behind a trusted proxy is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAddress {
    /// Nowhere: whoever connects is the client.
    #[default]
    Peer,
    /// `x-forwarded-for`.
    XForwardedFor,
    /// `forwarded` (RFC 7239).
    Forwarded,
    /// What goes before everything else on the connection: the PROXY protocol, version 1 or 2.
    ProxyProtocol,
}

/// Where a line for each exchange goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// To standard output.
    #[default]
    Stdout,
    /// Nowhere.
    Off,
}

/// A TLS listener with its certificates.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Addresses for HTTP/1.1 and HTTP/2 by ALPN.
    pub listen: Vec<SocketAddr>,
    /// Certificates; the first one serves clients without a known server name.
    pub certificates: Vec<Certificate>,
    /// Which certificates clients may present. None: none is asked for.
    pub clients: Option<ClientAuth>,
}

/// A certificate chain and its key, both PEM, read by whoever made these settings.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Where the chain came from, for messages.
    pub cert_path: PathBuf,
    /// The chain, leaf first.
    pub cert_pem: Vec<u8>,
    /// The private key.
    pub key_pem: Vec<u8>,
}

/// Names the file only: a key has no place in a log.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("cert_path", &self.cert_path).finish_non_exhaustive()
    }
}

/// What a client may use up.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one request head, and of an HTTP/2 header list.
    pub header_bytes_max: ByteSize,
    /// Headers of one request.
    pub headers_max: NonZeroUsize,
    /// Time from a request's first byte to the end of its head.
    pub header_timeout: Duration,
    /// Bytes of one request body.
    pub body_bytes_max: ByteSize,
    /// Time between two pieces of a request body.
    pub body_idle: Duration,
    /// Time between two pieces of a streamed answer, of silence on a WebSocket, and for which a
    /// client may take nothing of an answer.
    pub stream_idle: Duration,
    /// Time of one exchange on a route that names none.
    pub request_timeout: Duration,
    /// Time that an HTTP/1.1 connection may wait for its next request.
    pub keep_alive: Duration,
    /// Time that an HTTP/2 connection without open streams is kept.
    pub h2_idle: Duration,
    /// Streams that one HTTP/2 connection may have open.
    pub h2_streams_max: u32,
    /// Connections in all.
    pub connections_max: NonZeroUsize,
    /// Connections of one client address.
    pub connections_per_client_max: NonZeroUsize,
}

/// How the edge ends after SIGTERM.
#[derive(Clone, Debug)]
pub struct Drain {
    /// Time that connections are still accepted after readiness has flipped, so that a load
    /// balancer notices before it is refused.
    pub accept_for: Duration,
    /// Time after which what is still in flight is cut off, counted from the signal.
    pub deadline: Duration,
}

/// 16 KiB: nginx's and Node's own order of magnitude; a larger head is mostly cookies gone wrong.
const HEADER_BYTES_MAX: ByteSize = ByteSize::from_bytes(16 << 10);
/// hyper's default.
const HEADERS_MAX: usize = 100;
/// A slow mobile link sends 16 KiB in far less.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// What a device posts; more is for a route to allow.
const BODY_BYTES_MAX: ByteSize = ByteSize::from_bytes(1 << 20);
/// nginx's `client_body_timeout` is 60 s; a device that is silent for half of it has gone.
const BODY_IDLE: Duration = Duration::from_secs(30);
/// Longer than the heartbeat of any common event stream or WebSocket library.
const STREAM_IDLE: Duration = Duration::from_mins(5);
/// No user waits longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// nginx's `keepalive_timeout`.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A device in use asks more often; Envoy's hour costs memory.
const H2_IDLE: Duration = Duration::from_mins(3);
/// What RFC 9113, 6.5.2 recommends as the least.
const H2_STREAMS_MAX: u32 = 100;
/// About 1 GiB at 64 KiB of buffers each in the worst case.
const CONNECTIONS_MAX: usize = 16_384;
/// Many devices share one address behind a carrier's NAT.
const CONNECTIONS_PER_CLIENT_MAX: usize = 1_024;
/// Time for a load balancer to see the readiness flip.
const ACCEPT_FOR: Duration = Duration::from_millis(500);
/// Below the 30 s after which Kubernetes kills.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

impl Default for Edge {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            tls: None,
            threads: NonZeroUsize::MIN,
            trusted_peers: Vec::new(),
            client_address: ClientAddress::default(),
            geo: None,
            dns_servers: None,
            limits: Limits::default(),
            overload: Overload::default(),
            drain: Drain::default(),
            push: Push::default(),
            access_log: AccessLog::default(),
            recent: Recent::default(),
            slow: Slow::default(),
            traces: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes_max: HEADER_BYTES_MAX,
            headers_max: NonZeroUsize::new(HEADERS_MAX).unwrap_or(NonZeroUsize::MIN),
            header_timeout: HEADER_TIMEOUT,
            body_bytes_max: BODY_BYTES_MAX,
            body_idle: BODY_IDLE,
            stream_idle: STREAM_IDLE,
            request_timeout: REQUEST_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            h2_idle: H2_IDLE,
            h2_streams_max: H2_STREAMS_MAX,
            connections_max: NonZeroUsize::new(CONNECTIONS_MAX).unwrap_or(NonZeroUsize::MIN),
            connections_per_client_max: NonZeroUsize::new(CONNECTIONS_PER_CLIENT_MAX)
                .unwrap_or(NonZeroUsize::MIN),
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self { accept_for: ACCEPT_FOR, deadline: DRAIN_DEADLINE }
    }
}

/// How Passports are signed.
#[derive(Clone, Debug)]
pub struct Passport {
    /// The `iss` of every Passport.
    pub issuer: String,
    /// How long one lasts.
    pub ttl: Duration,
    /// How long one signing key is used before the next takes over.
    pub rotate_every: Duration,
    /// The folder that keeps the private keys. None keeps them in memory only.
    pub keys_dir: Option<PathBuf>,
}

/// Netflix's order of magnitude: long enough to be signed once for a burst of calls.
const PASSPORT_TTL: Duration = Duration::from_mins(1);
const PASSPORT_ROTATE_EVERY: Duration = Duration::from_hours(24);

impl Default for Passport {
    fn default() -> Self {
        Self {
            issuer: "headgate".to_owned(),
            ttl: PASSPORT_TTL,
            rotate_every: PASSPORT_ROTATE_EVERY,
            keys_dir: None,
        }
    }
}

/// One rule that sends requests to an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The team that owns it.
    pub team: Arc<str>,
    /// Its name, unique in its team.
    pub name: Arc<str>,
    /// What it matches.
    pub pattern: Pattern,
    /// The upstream, as an index into [`Settings::upstreams`]. None where the route publishes.
    pub upstream: Option<usize>,
    /// The event that its requests become. None: they are passed on.
    pub publish: Option<Publish>,
    /// How its requests are divided. None: all go to the upstream.
    pub split: Option<Split>,
    /// What gets copies of its requests. None: nothing.
    pub mirror: Option<Mirror>,
    /// Who may call.
    pub auth: Auth,
    /// What its requests are worth.
    pub priority: Class,
    /// Time of one exchange. None means [`Limits::request_timeout`].
    pub timeout: Option<Duration>,
    /// Time of one attempt up to the answer's head. None means the exchange's own.
    pub try_timeout: Option<Duration>,
    /// What is tried again.
    pub retry: Retry,
    /// Bytes of one request body. None means [`Limits::body_bytes_max`].
    pub body_bytes_max: Option<ByteSize>,
    /// What its requests keep to their endpoints by. None: endpoints are chosen by load alone.
    pub hash_by: Option<HashBy>,
    /// What an `idempotency-key` does. None means nothing: it is passed on like any header.
    pub idempotency: Option<Idempotency>,
    /// Exchanges that took so long are told in the process's log. None means [`Slow::over`].
    pub slow: Option<Duration>,
    /// What protects it, and what is behind it.
    pub overload: RouteOverload,
}

/// Who may call a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Auth {
    /// Anybody; no identity is handed on.
    #[default]
    None,
    /// Callers known to an identity source.
    Source {
        /// Their indexes in [`Settings::identity`]: the first one that knows the caller decides.
        sources: Vec<usize>,
        /// Whether a caller that shows no credential is let in as one whom nobody knows.
        is_open: bool,
        /// Scopes that a caller must have, all of them.
        scopes: Vec<String>,
        /// Claims that must have exactly these values, all of them. A claim that is a list
        /// satisfies a value that it contains.
        claims: Vec<(String, serde_json::Value)>,
    },
}

impl Auth {
    /// Whether anybody may call.
    pub const fn is_public(&self) -> bool {
        matches!(self, Self::None | Self::Source { is_open: true, .. })
    }
}

/// What is tried again, on another endpoint where there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Retries after the first attempt. Zero means none.
    pub max: u32,
    /// The failures that are retried.
    pub on: Vec<headgate_router::retry::Condition>,
    /// Retries allowed, as a share of the successes of the last seconds.
    pub budget: Ratio,
}
