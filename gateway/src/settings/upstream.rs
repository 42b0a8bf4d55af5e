//! Services and their addresses.

use std::{fmt, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use crate::settings::{Certificate, UpstreamOverload};

/// A named service.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// The team that owns it.
    pub team: Arc<str>,
    /// Its name, unique in its team.
    pub name: Arc<str>,
    /// Its addresses.
    pub endpoints: Vec<Endpoint>,
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
    /// What protects it.
    pub overload: UpstreamOverload,
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Host and port; a name is looked up when a connection is opened.
    Tcp(Arc<str>),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
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

    /// The scheme of what is asked of it.
    pub(crate) const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}
