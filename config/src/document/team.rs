//! `routes.d/<team>/*.toml`, a team's own files.

use std::{collections::BTreeMap, time::Duration};

use headgate_router::{overload::mode::Mode, retry};
use headgate_types::{Class, Ratio};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{
    discovery::Dns,
    events::{Handler, Publish},
    health::Health,
    idempotency::Idempotency,
    mirror::Mirror,
    overload::{Breaker, Concurrency, Fallback, RateLimit, Throttle},
    scalar::{Condition, EndpointAddress, HashBy, LayerMode, Length, Match, Share, Size, Until},
    split::{Canary, Experiment, Strangle},
    tls::{self, Tls},
};

/// A team's file: upstreams, the routes to them, and handlers of events. A team may have several.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["team"]))]
pub(crate) struct TeamFile {
    /// The team, which is also the name of the folder.
    pub(crate) team: String,
    /// Services by name. A name is used once in a team, over all its files.
    #[schemars(extend("propertyNames" = { "x-syntax": "name" }, "maxProperties" = 1000))]
    pub(crate) upstream: BTreeMap<String, Upstream>,
    /// Routes by name. A name is used once in a team, over all its files.
    #[schemars(extend("propertyNames" = { "x-syntax": "name" }, "maxProperties" = 1000))]
    pub(crate) route: BTreeMap<String, Route>,
    /// Functions that handle events, by name. A name is used once in a team, over all its files,
    /// and keeps for good: what was done is remembered under it.
    #[schemars(extend("propertyNames" = { "x-syntax": "name" }, "maxProperties" = 1000))]
    pub(crate) handler: BTreeMap<String, Handler>,
}

/// A named service.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Upstream {
    /// The protocol that the endpoints speak.
    pub(crate) protocol: Protocol,
    /// TLS to the endpoints: a table, or `true` for one with nothing in it. Without this key they
    /// are spoken to in plain. Paths in it are relative to the team's own folder, which no file may
    /// lie outside of; a file that changes is read again.
    #[serde(deserialize_with = "tls::table_or_true")]
    #[schemars(extend("type" = ["boolean", "object"], "x-noun" = "`true` or a table"))]
    pub(crate) tls: Option<Tls>,
    /// Addresses: `host:port`, where a name is looked up for each new connection, or
    /// `unix:/path/to/socket`. An upstream has these, `endpoints_file` or `dns`.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) endpoints: Vec<EndpointAddress>,
    /// JSON file with a list of endpoints, each with its `address`, and where wanted its `weight`
    /// (from 1, as compared with others) and its `zone`. Relative to the team's own folder, which
    /// it may not lie outside of. A file that changes is read again; one that can't be used leaves
    /// the last good list in force.
    pub(crate) endpoints_file: Option<String>,
    /// Where endpoints are looked up, again and again. What can't be looked up leaves the last
    /// endpoints in force.
    pub(crate) dns: Option<Dns>,
    /// Time to open a connection. Each thread opens 16 to an endpoint at once, or as many as it has
    /// there; who finds none meanwhile waits as long for one that is given back or for his turn.
    pub(crate) connect_timeout: Length,
    /// Connections to one endpoint by each thread, idle or not.
    #[schemars(range(min = 1))]
    pub(crate) max_connections: u32,
    /// Idle connections kept to one endpoint by each thread. Zero keeps none.
    pub(crate) max_idle: u32,
    /// Time after which an idle connection is closed. Keep it below the endpoint's own.
    pub(crate) idle_timeout: Length,
    /// Checks of the endpoints, besides what their breakers learn from calls. Without this table
    /// nothing is checked.
    pub(crate) health: Option<Health>,
    /// Time over which an endpoint that is new, or healthy again, comes to its whole share of the
    /// calls. Without this key: at once.
    pub(crate) slow_start: Option<Length>,
    /// Endpoints that get no further calls; what is under way at them goes on.
    #[schemars(length(max = 256))]
    pub(crate) drain: Vec<EndpointAddress>,
    /// Requests at once, of all routes.
    pub(crate) concurrency: Concurrency,
    /// What keeps calls from an endpoint that fails.
    pub(crate) breaker: Breaker,
}

/// A healthy endpoint in the same region accepts within milliseconds; one lost SYN costs a second.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Far above what a healthy endpoint needs: a slow one meets its timeout before this limit.
const CONNECTIONS_MAX: u32 = 1_024;
/// Covers a burst; the idle timeout gives the sockets back.
const IDLE_MAX: u32 = 128;
/// Node's `keepAliveTimeout` is 5 s: whoever closes first avoids the race.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

impl Default for Upstream {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            tls: None,
            endpoints: Vec::new(),
            endpoints_file: None,
            dns: None,
            connect_timeout: Length(CONNECT_TIMEOUT),
            max_connections: CONNECTIONS_MAX,
            max_idle: IDLE_MAX,
            idle_timeout: Length(IDLE_TIMEOUT),
            health: None,
            slow_start: None,
            drain: Vec::new(),
            concurrency: Concurrency::default(),
            breaker: Breaker::default(),
        }
    }
}

/// The protocol that an upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    #[default]
    H1,
    /// HTTP/2 by TLS, agreed on by ALPN. An endpoint that does not agree is not spoken to.
    H2,
    /// HTTP/2 without TLS, by prior knowledge.
    H2c,
}

/// A rule that sends requests to an upstream, or makes events of them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["match"]))]
pub(crate) struct Route {
    /// `METHOD [host]/path [predicates]`. METHOD is one, several (`GET|POST`) or `*`; `{x}` in the
    /// path is one segment, `{*x}` the rest; predicates are `device=tv|ios`;
    /// `header.NAME`, `cookie.NAME` and `claim.NAME`, alone, with `=value` or with `~'regex'`;
    /// `query.NAME`, alone or with `=value`; `ver>=7.2`, `>`, `<=`, `<` or `=`, the version of the
    /// app as a device rule finds it. GET takes HEAD as well.
    #[serde(rename = "match")]
    pub(crate) matches: Option<Match>,
    /// The upstream, one of the same team. Not where the route publishes.
    pub(crate) to: Option<String>,
    /// The event that a request becomes, in place of a call.
    pub(crate) publish: Option<Publish>,
    /// A trial version of the service, which gets a share of the requests.
    pub(crate) canary: Option<Canary>,
    /// Versions of the service side by side.
    pub(crate) experiment: Option<Experiment>,
    /// The way off a legacy service.
    pub(crate) strangle: Option<Strangle>,
    /// Another upstream that gets copies of the requests; its answers are compared and dropped.
    pub(crate) mirror: Option<Mirror>,
    /// The identity source that must know the caller, or `none` for anybody. Several are asked in
    /// their order, and the first one that knows the caller decides: `accounts|keys`. With
    /// `anonymous` at the end, who shows no credential may call too, as an identity of its own for
    /// each client address.
    pub(crate) auth: String,
    /// Scopes that a caller must have, all of them.
    #[schemars(length(max = 64))]
    pub(crate) scopes: Vec<String>,
    /// Claims that must have these values, all of them. A claim that is a list must contain the
    /// value.
    #[schemars(extend("maxProperties" = 64))]
    pub(crate) require: BTreeMap<String, ClaimValue>,
    /// What the route's requests are worth when not everything can be served. Without this key:
    /// `standard`, or the team's ceiling where it is less.
    pub(crate) priority: Option<Class>,
    /// Time of one exchange, retries included. Without this key: `edge.timeout`, or the team's
    /// ceiling where it is shorter.
    pub(crate) timeout: Option<Length>,
    /// Time of one attempt up to the head of its answer. Without this key: what is left of
    /// `timeout`.
    pub(crate) try_timeout: Option<Length>,
    /// What is tried again, on another endpoint where there is one. Only requests without a body
    /// are, and only until a part of the answer has been passed on.
    pub(crate) retry: Retry,
    /// What requests keep to their endpoints by: those with the same `device_id`, `user`, `client`
    /// (its address), `header.NAME` or `path.NAME` (the segment `{NAME}` of the match) go to the
    /// same endpoint, for as long as it may be asked and has not much more than its share of calls
    /// in flight. Requests without it, and all without this key, go where the load is least.
    pub(crate) hash_by: Option<HashBy>,
    /// Bytes of one request body. Without this key: `edge.max_body`.
    pub(crate) max_body: Option<Size>,
    /// What an `idempotency-key` does: the first request with it is passed on, and later ones get
    /// the first one's answer. Without this table it is passed on like any header.
    pub(crate) idempotency: Option<Idempotency>,
    /// Requests of this route at once, beside the upstream's limit. Without this table it has no
    /// limit of its own.
    pub(crate) concurrency: Option<Concurrency>,
    /// Requests per time. All that are listed hold.
    #[schemars(length(max = 8))]
    pub(crate) rate: Vec<RateLimit>,
    /// What is done while most of the route's requests fail.
    pub(crate) throttle: Throttle,
    /// What answers where a request is refused for load, or where the upstream can't be reached.
    /// Without this table: the edge says what went wrong.
    pub(crate) fallback: Option<Fallback>,
    /// Exchanges that took so long or longer are told in the process's log, each with where its time
    /// went. Without this key: `slow.over`.
    pub(crate) slow: Option<Length>,
    /// The last day on which the route is wanted, or a moment, in UTC. It is served on after that;
    /// `headgate audit` reports it.
    pub(crate) ends: Option<Until>,
}

/// Who may call when a route does not say.
const AUTH: &str = "none";

impl Default for Route {
    fn default() -> Self {
        Self {
            matches: None,
            to: None,
            publish: None,
            canary: None,
            experiment: None,
            strangle: None,
            mirror: None,
            auth: AUTH.to_owned(),
            scopes: Vec::new(),
            require: BTreeMap::new(),
            priority: None,
            timeout: None,
            try_timeout: None,
            retry: Retry::default(),
            hash_by: None,
            max_body: None,
            idempotency: None,
            concurrency: None,
            rate: Vec::new(),
            throttle: Throttle::default(),
            fallback: None,
            slow: None,
            ends: None,
        }
    }
}

/// A value that a claim can be required to have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-noun" = "a text, a whole number or a boolean"))]
pub(crate) enum ClaimValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A boolean.
    Boolean(bool),
}

/// What is tried again, on another endpoint where there is one. Only requests whose body can be sent
/// again are, and only until a part of the answer has been passed on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retry {
    /// Retries after the first attempt. Zero means none.
    #[schemars(range(max = 10))]
    pub(crate) max: u32,
    /// Failures that are retried: `connect` (no connection), `reset` (broken off before an
    /// answer), `timeout` (of an attempt), or an answer's status such as `503`.
    #[schemars(length(max = 32))]
    pub(crate) on: Vec<Condition>,
    /// Retries that are allowed, as a share of the successes of the last seconds.
    pub(crate) budget: Share,
    /// Whether the budget acts: `off`, `observe` (count what would be refused), `enforce`, or
    /// `enforce:25%` for a share of what would be refused.
    pub(crate) mode: LayerMode,
}

/// One: a second endpoint is worth a try, a third failure in a row is an outage.
const RETRY_MAX: u32 = 1;
/// Finagle's and Linkerd's default share.
const RETRY_BUDGET: f64 = 0.2;

/// Only what can't have had an effect is retried by default: no connection, nothing sent.
impl Default for Retry {
    fn default() -> Self {
        Self {
            max: RETRY_MAX,
            on: vec![Condition(retry::Condition::Connect)],
            budget: Share(Ratio::new(RETRY_BUDGET).unwrap_or_default()),
            mode: LayerMode(Mode::default()),
        }
    }
}
