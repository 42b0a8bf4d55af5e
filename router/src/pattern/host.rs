//! The host of a pattern, and that of a claim.

use std::{fmt, net::Ipv6Addr};

use crate::{ParseError, text::Piece};

/// The hosts that a pattern takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// This one, in lowercase.
    Exact(Box<str>),
    /// All that end in this, which starts with a dot, and have something in front of it.
    Wildcard(Box<str>),
    /// All.
    Any,
}

/// RFC 1035, 2.3.4.
const HOST_BYTES_MAX: usize = 253;
const ALLOWED: &str = "a host such as api.example.com or *.example.com, or none for all";

impl Host {
    /// Reads what stands before the path.
    pub(crate) fn parse(piece: &Piece<'_>) -> Result<Self, ParseError> {
        if piece.text.is_empty() {
            return Ok(Self::Any);
        }
        if piece.text == "*" {
            return Err(piece.fault("a star for every host", "no host at all, which takes all"));
        }
        let (name, port) = piece.divide_before(|character| character == ':');
        if !piece.text.starts_with('[') && !port.text.is_empty() {
            return Err(port.fault("a port in the host", "the host alone; every port is taken"));
        }
        Self::read(name.text, piece.text).ok_or_else(|| piece.fault("no host", ALLOWED))
    }

    /// Reads the host of a claim; none when it is no host.
    pub(crate) fn parse_claim(text: &str) -> Option<Self> {
        Self::read(text, text)
    }

    fn read(name: &str, text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if let Some(address) = text.strip_prefix('[') {
            address.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?;
            return Some(Self::Exact(text.into()));
        }
        let name = without_root(name).to_ascii_lowercase();
        match name.strip_prefix('*') {
            Some(suffix) => {
                let is_host = suffix.strip_prefix('.').is_some_and(is_name);
                is_host.then(|| Self::Wildcard(suffix.into()))
            }
            None => is_name(&name).then(|| Self::Exact(name.into())),
        }
    }

    /// Whether it takes a host in lowercase.
    pub(crate) fn takes(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_ref() == host,
            Self::Wildcard(suffix) => {
                host.strip_suffix(suffix.as_ref()).is_some_and(|front| !front.is_empty())
            }
            Self::Any => true,
        }
    }

    /// Whether every host that `inner` takes is taken by this one.
    pub(crate) fn holds(&self, inner: &Self) -> bool {
        match (self, inner) {
            (Self::Any, _) => true,
            (_, Self::Exact(name)) => self.takes(name),
            (Self::Wildcard(outer), Self::Wildcard(inner)) => inner.ends_with(outer.as_ref()),
            (Self::Exact(_) | Self::Wildcard(_), _) => false,
        }
    }

    /// A host that it takes.
    pub(crate) fn sample(&self) -> String {
        match self {
            Self::Exact(name) => name.as_ref().to_owned(),
            Self::Wildcard(suffix) => format!("x{suffix}"),
            Self::Any => "any.example".to_owned(),
        }
    }
}

/// A host without the dot of the DNS root, which is the same host.
pub(crate) fn without_root(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*{suffix}"),
            Self::Any => Ok(()),
        }
    }
}
