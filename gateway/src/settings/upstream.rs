//! Services and their addresses.

use std::{fmt, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use crate::settings::UpstreamOverload;

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

/// The protocol that an upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    H1,
    /// HTTP/2 without TLS, with prior knowledge.
    H2c,
}
