//! The small texts of events: topics, types, functions, waits.

use std::{fmt, time::Duration};

use http::{Uri, uri::PathAndQuery};

use headgate_gateway::settings::Address;
use headgate_types::parse_duration;

use super::{is_name, read_endpoint};

/// Bytes of a topic or a type: half of what an attribute of an event may have.
const BYTES_MAX: usize = 128;
/// Names of topics that Headgate itself writes to begin with this.
const OWN: &str = "hg.";
/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// The events that a handler takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) topic: String,
    pub(crate) kind: String,
}

impl Taken {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (topic, kind) = text.split_once('/')?;
        let is_read = is_topic(topic) && is_type(kind);
        is_read.then(|| Self { topic: topic.to_owned(), kind: kind.to_owned() })
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.kind)
    }
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// At an address of its own.
    At { authority: String, endpoint: Address, path: PathAndQuery },
    /// At a configured upstream.
    Upstream { name: String, path: PathAndQuery },
}

impl Called {
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("http://") {
            let url: Uri = text.parse().ok()?;
            let authority = url.authority()?;
            let port = authority.port_u16().unwrap_or(HTTP_PORT);
            let endpoint = read_endpoint(&format!("{}:{port}", authority.host()))?;
            let has_user = authority.as_str().contains('@');
            let path = url.path_and_query()?.clone();
            let authority = rest.split(['/', '?']).next()?.to_owned();
            return (!has_user).then_some(Self::At { authority, endpoint, path });
        }
        let (name, _) = text.split_once('/')?;
        let path = PathAndQuery::try_from(text.get(name.len()..)?).ok()?;
        is_name(name).then(|| Self::Upstream { name: name.to_owned(), path })
    }

    pub(crate) fn path(&self) -> &PathAndQuery {
        match self {
            Self::At { path, .. } | Self::Upstream { path, .. } => path,
        }
    }
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { authority, path, .. } => write!(f, "http://{authority}{path}"),
            Self::Upstream { name, path } => write!(f, "{name}{path}"),
        }
    }
}

pub(super) fn is_topic(text: &str) -> bool {
    is_type(text) && !text.starts_with(OWN)
}

pub(super) fn is_type(text: &str) -> bool {
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    begins_well && text.len() <= BYTES_MAX && text.bytes().all(is_plain)
}

pub(super) fn read_backoff(text: &str) -> Option<(Duration, Duration)> {
    let (first, longest) = text.split_once("..")?;
    let length = |text: &str| parse_duration(text).ok().filter(|length| !length.is_zero());
    let (first, longest) = (length(first)?, length(longest)?);
    (first <= longest).then_some((first, longest))
}
