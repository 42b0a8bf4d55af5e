//! Services and their addresses.

use std::{
    fmt,
    num::{NonZeroU16, NonZeroUsize},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use headgate_router::{discovery::Pace, health::Thresholds};
use http::uri::PathAndQuery;

use crate::settings::{Certificate, UpstreamOverload};

/// A named service.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// The team that owns it.
    pub team: Arc<str>,
    /// Its name, unique in its team.
    pub name: Arc<str>,
    /// Its endpoints. Of an upstream whose endpoints are looked up: those that were found last.
    pub endpoints: Vec<Endpoint>,
    /// Where its endpoints are looked up. None: nowhere.
    pub dns: Option<Dns>,
    /// The zone that this edge stands in, whose endpoints are preferred. None: all are alike.
    pub zone: Option<Arc<str>>,
    /// The protocol that its endpoints speak.
    pub protocol: Protocol,
    /// TLS to its endpoints. None: they are spoken to in plain.
    pub tls: Option<UpstreamTls>,
    /// Time to open a connection.
    pub connect_timeout: Duration,
    /// Idle connections kept to one endpoint by each thread.
    pub idle_connections_max: usize,
    /// Connections to one endpoint by each thread, idle or not.
    pub connections_max: NonZeroUsize,
    /// Time after which an idle connection is closed.
    pub idle_timeout: Duration,
    /// How its endpoints are checked. None: by calls alone.
    pub health: Option<Health>,
    /// Time over which an endpoint that is new, or healthy again, comes to its whole share of the
    /// calls. None: at once.
    pub slow_start: Option<Duration>,
    /// Addresses that get no calls. Those that are none of its own have no effect.
    pub drained: Vec<Address>,
    /// What protects it.
    pub overload: UpstreamOverload,
}

/// How endpoints are checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// What is asked for by GET. None: opening a connection is all.
    pub path: Option<PathAndQuery>,
    /// Time between two checks of one endpoint, on average.
    pub interval: Duration,
    /// Time of one check.
    pub timeout: Duration,
    /// How many in a row decide.
    pub thresholds: Thresholds,
}

/// One endpoint of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What names it: an endpoint whose weight or zone changes stays the same.
    pub address: Address,
    /// Its share of the calls, as compared with others.
    pub weight: NonZeroU16,
    /// The zone that it stands in. None: nobody has said.
    pub zone: Option<Arc<str>>,
}

/// One like all others.
impl From<Address> for Endpoint {
    fn from(address: Address) -> Self {
        Self { address, weight: NonZeroU16::MIN, zone: None }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// The address of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// Host and port; a name is looked up when a connection is opened.
    Tcp(Arc<str>),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where the endpoints of an upstream are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// What is asked for.
    pub question: Question,
    /// The least and the longest time between two looks, whatever an answer says.
    pub pace: Pace,
}

/// What name servers are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Addresses of a name, all at one port.
    Addresses {
        /// The name, which endpoints' certificates must be for.
        name: Arc<str>,
        /// The port.
        port: u16,
    },
    /// A service, whose records have names, ports and weights.
    Service {
        /// The name of the service, such as `_http._tcp.home.example`.
        name: Arc<str>,
    },
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses { name, port } => write!(f, "{name}:{port}"),
            Self::Service { name } => f.write_str(name),
        }
    }
}

/// TLS to the endpoints of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Who may have signed the endpoints' certificates.
    pub trust: Trust,
    /// The name that an endpoint's certificate must be for, which is also what the endpoint is
    /// asked for. None: the host of its address.
    pub server_name: Option<Arc<str>>,
    /// What the edge shows of itself when an endpoint asks. None: nothing.
    pub client: Option<Certificate>,
}

/// Who may have signed a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever this machine trusts.
    Machine,
    /// One of these authorities, in PEM.
    Authorities(Arc<[u8]>),
    /// Anybody: whoever is on the way can read and change everything.
    Anybody,
}

/// The protocol that an upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    H1,
    /// HTTP/2 by TLS, agreed on by ALPN.
    H2,
    /// HTTP/2 without TLS, with prior knowledge.
    H2c,
}

impl Upstream {
    /// Whether both would speak alike to an endpoint that they share.
    pub(crate) fn speaks_as(&self, other: &Self) -> bool {
        self.protocol == other.protocol && self.tls == other.tls
    }

    /// The host that all its endpoints answer for: the name that they are looked up by. None where
    /// each has its own.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.dns.as_ref()?.question {
            Question::Addresses { name, .. } => Some(name),
            Question::Service { .. } => None,
        }
    }

    /// The scheme of what is asked of it.
    pub(crate) const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}
