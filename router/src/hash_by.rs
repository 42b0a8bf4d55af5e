//! Where the key is by which a route's requests keep to one endpoint.

use std::{fmt, net::IpAddr, str::FromStr};

use http::{HeaderMap, HeaderName};

use crate::{ParseError, balance::affinity::key_of, path::name_of, pattern::Pattern, text::Piece};

const ALLOWED: &str = "`device_id`, `user`, `client`, `header.NAME`, or `path.NAME` for a segment \
    `{NAME}` of the match";

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The one device.
    DeviceId,
    /// The caller's subject.
    User,
    /// The client's address.
    Client,
    /// A header.
    Header(HeaderName),
    /// A segment of the path, by its name in the match.
    Path(Box<str>),
}

/// A request as far as keys are looked for in it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The normalized path.
    pub path: &'a str,
    /// What it has matched.
    pub pattern: &'a Pattern,
    /// The one device. None: nobody has proved anything.
    pub device_id: Option<&'a str>,
    /// The caller's subject. None: nobody has proved anything.
    pub user: Option<&'a str>,
    /// The client's address.
    pub client: IpAddr,
}

impl HashBy {
    /// Whether a caller must have proved who it is.
    pub const fn needs_caller(&self) -> bool {
        matches!(self, Self::DeviceId | Self::User)
    }

    /// Whether requests that match have such a key, as far as the match tells.
    pub fn fits(&self, pattern: &Pattern) -> bool {
        match self {
            Self::Path(name) => pattern.position(name).is_some(),
            _ => true,
        }
    }

    /// The key of a request. None where nothing is there, or nothing but an empty text.
    pub fn key(&self, asked: &Asked<'_>) -> Option<u64> {
        let text = match self {
            Self::DeviceId => asked.device_id?.as_bytes(),
            Self::User => asked.user?.as_bytes(),
            Self::Client => {
                return Some(key_of(asked.client.to_canonical().to_string().as_bytes()));
            }
            Self::Header(name) => asked.headers.get(name)?.as_bytes(),
            Self::Path(name) => {
                let at = asked.pattern.position(name)?;
                name_of(asked.path.strip_prefix('/')?.split('/').nth(at)?).as_bytes()
            }
        };
        (!text.is_empty()).then(|| key_of(text))
    }
}

impl FromStr for HashBy {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let whole = Piece::whole(text);
        if let Some(name) = whole.after("header.") {
            let header = HeaderName::try_from(name.text);
            let none = |_| name.fault("no name of a header", "a header's name");
            return header.map(Self::Header).map_err(none);
        }
        if let Some(name) = whole.after("path.") {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.text.is_empty() || !name.text.chars().all(is_plain) {
                return Err(name.fault("no name of a segment", "the name of a segment"));
            }
            return Ok(Self::Path(name.text.into()));
        }
        match text {
            "device_id" => Ok(Self::DeviceId),
            "user" => Ok(Self::User),
            "client" => Ok(Self::Client),
            _ => Err(whole.fault("no place of a key in a request", ALLOWED)),
        }
    }
}

/// As it is written.
impl fmt::Display for HashBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceId => f.write_str("device_id"),
            Self::User => f.write_str("user"),
            Self::Client => f.write_str("client"),
            Self::Header(name) => write!(f, "header.{name}"),
            Self::Path(name) => write!(f, "path.{name}"),
        }
    }
}

#[cfg(test)]
mod tests;
