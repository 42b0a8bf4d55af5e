//! Who the client is behind proxies: its address as those tell it who are trusted to.

use std::net::{IpAddr, SocketAddr};

use headgate_telemetry::{Listener, access::Members};
use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};
use ipnet::IpNet;

use crate::{headers::FORWARDED_FOR, settings::ClientAddress};

/// Entries of one list that are looked at, from the end: nobody has more proxies of its own.
const ENTRIES_MAX: usize = 32;

/// Who sends a request.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its address.
    pub(crate) address: IpAddr,
    /// A number that stands for it.
    pub(crate) user: u64,
    /// What the access line says of it. None: what it says of the connection.
    pub(crate) members: Option<Box<Members>>,
}

impl Client {
    /// Whoever has connected.
    pub(crate) fn of(peer: IpAddr) -> Self {
        Self { address: peer, user: user_of(peer), members: None }
    }

    /// Whom a trusted proxy tells.
    pub(crate) fn told(address: IpAddr, listener: Listener) -> Self {
        // No proxy tells the port.
        let members = Members::of_client(SocketAddr::new(address, 0), listener);
        Self { members: Some(Box::new(members)), ..Self::of(address) }
    }
}

/// The client's address by the headers of a request from a trusted peer; none where they tell
/// nothing that can be trusted.
///
/// Lists are read from the end, to which each proxy has added who called it: the first address that
/// is no trusted proxy's is the client. What stands before it, anybody may have written. An entry
/// that is no address ends the search at the proxy that added it.
pub(crate) fn told(
    source: ClientAddress,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Option<IpAddr> {
    let (name, read): (&HeaderName, fn(&str) -> Option<IpAddr>) = match source {
        ClientAddress::Peer | ClientAddress::ProxyProtocol => return None,
        ClientAddress::XForwardedFor => (&FORWARDED_FOR, address),
        ClientAddress::Forwarded => (&FORWARDED, forwarded_for),
    };
    let lines: Vec<&str> =
        headers.get_all(name).iter().map(HeaderValue::to_str).collect::<Result<_, _>>().ok()?;
    let entries = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut client = None;
    for entry in entries.take(ENTRIES_MAX) {
        let Some(address) = read(entry.trim()) else { break };
        client = Some(address);
        if !trusted.iter().any(|net| net.contains(&address)) {
            break;
        }
    }
    client
}

/// An address with or without a port; one of IPv6 stands in brackets before a port.
fn address(text: &str) -> Option<IpAddr> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let plain = inside.unwrap_or(text).parse().ok();
    let address: IpAddr = plain.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

/// The `for` of one element of `forwarded`, if it is an address (RFC 7239, 4 and 6). Addresses have
/// no comma or semicolon, so quotes need no more than to be taken off.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    let quoted = node.strip_prefix('"').and_then(|node| node.strip_suffix('"'));
    address(quoted.unwrap_or(node))
}

/// A number for a client's address, and one for all addresses of a subscriber where those are many:
/// a network of 64 bits in IPv6 (RFC 6177).
fn user_of(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or_default(),
    }
}

pub(crate) fn address_value(address: IpAddr) -> HeaderValue {
    // Digits, dots, colons and hexadecimal letters are valid in a header.
    HeaderValue::try_from(address.to_canonical().to_string())
        .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests;
