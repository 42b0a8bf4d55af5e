//! The PROXY protocol: a load balancer that passes bytes on says first whose they are.
//!
//! Versions 1 and 2 as `HAProxy`'s document `proxy-protocol.txt` describes them. No byte that follows
//! is read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use headgate_telemetry::BadHead;
use tokio::{
    io::{self, AsyncRead, AsyncReadExt as _},
    time::timeout,
};

use crate::{edge::Edge, settings::ClientAddress};

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1, line end included.
const V1_BYTES_MAX: usize = 107;
/// The longest rest of a header of version 2: addresses and what else the balancer has to say.
const V2_BYTES_MAX: u16 = 4096;

/// Whose connection it is: as a trusted balancer says, where it has to, and otherwise as the socket
/// tells. None for a balancer that does not say it, in the time that a request's head may take.
pub(crate) async fn announced(
    edge: &Edge,
    stream: &mut (impl AsyncRead + Unpin + Send),
    peer: SocketAddr,
) -> Option<SocketAddr> {
    let terms = edge.terms();
    if terms.client_address != ClientAddress::ProxyProtocol || !terms.trusts(peer.ip()) {
        return Some(peer);
    }
    // Boxed: few connections need it.
    let read = Box::pin(timeout(terms.limits.header_timeout, read(stream))).await;
    let bad = match read {
        Ok(Ok(client)) => return Some(client.unwrap_or(peer)),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => BadHead::Malformed,
        Ok(Err(_)) => BadHead::Incomplete,
        Err(_elapsed) => BadHead::Timeout,
    };
    edge.metrics.bad_head(bad);
    None
}

/// Reads a header, and returns the client's address: none where the balancer speaks for itself, as
/// for its health checks, or does not know it.
///
/// # Errors
///
/// Of the stream, and `InvalidData` for what is no such header: it is no client's request either.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    match stream.read_u8().await? {
        b'P' => v1(stream).await,
        b'\r' => v2(stream).await,
        _ => Err(invalid()),
    }
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

async fn v1(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut line = vec![b'P'];
    // Byte by byte: what follows the line belongs to somebody else.
    while !line.ends_with(b"\r\n") {
        if line.len() == V1_BYTES_MAX {
            return Err(invalid());
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line).map_err(|_| invalid())?;
    parse_v1(line.trim_end_matches("\r\n")).ok_or_else(invalid)
}

/// The outer none is no header, the inner one an unknown client.
#[expect(clippy::option_option, reason = "no header and no address are two things")]
fn parse_v1(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ');
    if words.next() != Some("PROXY") {
        return None;
    }
    let family = words.next()?;
    if family == "UNKNOWN" {
        // Whatever follows is to be ignored.
        return Some(None);
    }
    let source: IpAddr = words.next()?.parse().ok()?;
    let target: IpAddr = words.next()?.parse().ok()?;
    let port: u16 = words.next()?.parse().ok()?;
    let _target_port: u16 = words.next()?.parse().ok()?;
    let is_family = match family {
        "TCP4" => source.is_ipv4() && target.is_ipv4(),
        "TCP6" => source.is_ipv6() && target.is_ipv6(),
        _ => false,
    };
    (is_family && words.next().is_none()).then(|| Some(SocketAddr::new(source, port)))
}

async fn v2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut head = [0; 15];
    stream.read_exact(&mut head).await?;
    let (signature, rest) = head.split_at(SIGNATURE.len() - 1);
    if Some(signature) != SIGNATURE.get(1..) {
        return Err(invalid());
    }
    let &[command, family, high, low] = rest else { return Err(invalid()) };
    let length = u16::from_be_bytes([high, low]);
    if length > V2_BYTES_MAX {
        return Err(invalid());
    }
    let mut body = vec![0; usize::from(length)];
    stream.read_exact(&mut body).await?;
    match command {
        // LOCAL: nobody is behind it.
        0x20 => Ok(None),
        0x21 => parse_v2(family, &body).ok_or_else(invalid),
        _ => Err(invalid()),
    }
}

/// The outer none is no header, the inner one an address of another kind.
#[expect(clippy::option_option, reason = "no header and no address are two things")]
fn parse_v2(family: u8, body: &[u8]) -> Option<Option<SocketAddr>> {
    let (address, ports) = match family {
        0x11 => {
            let address = Ipv4Addr::from(*body.first_chunk::<4>()?);
            (IpAddr::V4(address), body.get(8..12)?)
        }
        0x21 => {
            let address = Ipv6Addr::from(*body.first_chunk::<16>()?);
            (IpAddr::V6(address), body.get(32..36)?)
        }
        // Datagrams, Unix sockets, or nothing said.
        _ => return Some(None),
    };
    let port = u16::from_be_bytes(*ports.first_chunk::<2>()?);
    Some(Some(SocketAddr::new(address, port)))
}

#[cfg(test)]
mod tests;
