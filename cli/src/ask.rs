//! Asks the admin listener of a running edge.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use anyhow::Context as _;
use http::Uri;

use crate::{
    args,
    exit::{Invalid, Unreachable},
};

/// Time for each of connecting, sending and reading.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read. A status of ten thousand endpoints is far smaller.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// Whom to ask when nothing is said.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);
/// The port of an admin URL that names none.
const HTTP_PORT: u16 = 80;

/// The admin listener that the arguments name.
///
/// # Errors
///
/// Faults of the configuration, where one was named; an address that is none.
pub(crate) fn address(args: &args::Admin) -> anyhow::Result<SocketAddr> {
    if let Some(url) = &args.admin {
        return address_of(url);
    }
    let Some(config) = &args.config else { return Ok(ADMIN) };
    let listen = headgate_config::load(config)?.admin_listen;
    if listen.port() == 0 {
        let message = "`admin.listen` has port 0: name the bound address by --admin".to_owned();
        return Err(Invalid::message(message).into());
    }
    Ok(reachable(listen))
}

/// An address that can be called, for one that is listened on.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn address_of(url: &Uri) -> anyhow::Result<SocketAddr> {
    let is_http = url.scheme_str().is_none_or(|scheme| scheme == "http");
    let host = url.host().filter(|_| is_http);
    let host = host.with_context(|| format!("{url} is no URL such as http://127.0.0.1:9900"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut addresses = (host, url.port_u16().unwrap_or(HTTP_PORT))
        .to_socket_addrs()
        .map_err(|error| Unreachable(format!("{host} has no address: {error}")))?;
    Ok(addresses.next().ok_or_else(|| Unreachable(format!("{host} has no address")))?)
}

/// What a listener answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// The body of a 200.
///
/// # Errors
///
/// [`Unreachable`] when nobody answers, or not as an edge does.
pub(crate) fn ask(address: SocketAddr, path: &str) -> Result<Vec<u8>, Unreachable> {
    let reply = send(address, "GET", path, None)?;
    match reply.status {
        200 => Ok(reply.body),
        status => {
            Err(Unreachable(format!("http://{address} does not answer as an edge: {status}")))
        }
    }
}

/// Sends a request, with a body of JSON if there is one. HTTP/1.0, so that the answer ends with
/// the connection.
///
/// # Errors
///
/// [`Unreachable`] when nobody answers, or not as HTTP has it.
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&serde_json::Value>,
) -> Result<Reply, Unreachable> {
    let failed = |error| Unreachable(format!("http://{address} does not answer: {error}"));
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: {address}\r\naccept: application/json\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(failed)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = end.and_then(|end| answer.split_at_checked(end + 4)).unwrap_or_default();
    let line =
        String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default());
    match line.split(' ').nth(1).and_then(|status| status.parse().ok()) {
        Some(status) => Ok(Reply { status, body: body.to_vec() }),
        None => Err(Unreachable(format!("http://{address} does not answer as an edge: {line:?}"))),
    }
}

#[cfg(test)]
mod tests;
