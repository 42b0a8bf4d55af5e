//! `headgate status`: asks a running edge how it is.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use headgate_admin::Status;
use http::Uri;

use crate::{
    args,
    exit::{Invalid, Unreachable},
    output::{Output, columns},
};

/// Time for each of connecting, sending and reading.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read. A status of ten thousand endpoints is far smaller.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// Whom to ask when nothing is said.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);
/// The port of an admin URL that names none.
const HTTP_PORT: u16 = 80;

/// Asks the admin listener for `/v1/status` and prints the answer.
///
/// # Errors
///
/// [`Unreachable`] when nobody answers, or not as an edge does; faults of the configuration, where
/// one was named.
pub(crate) fn status(args: &args::Status, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let address = address(args)?;
    let body = ask(address, "/v1/status")?;
    let status: Status = serde_json::from_slice(&body)
        .map_err(|error| Unreachable(format!("http://{address} is no admin listener: {error}")))?;
    if output.json {
        output.json(&status)?;
    } else {
        output.out.write_all(text(&status).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whom to ask.
pub(crate) fn address(args: &args::Status) -> anyhow::Result<SocketAddr> {
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

/// The address that a URL names.
///
/// # Errors
///
/// When it is none, or its host has no address.
pub(crate) fn address_of(url: &Uri) -> anyhow::Result<SocketAddr> {
    let is_http = url.scheme_str().is_none_or(|scheme| scheme == "http");
    let host = url.host().filter(|_| is_http);
    let host = host.with_context(|| format!("{url} is no URL such as http://127.0.0.1:9900"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut addresses = (host, url.port_u16().unwrap_or(HTTP_PORT))
        .to_socket_addrs()
        .map_err(|error| Unreachable(format!("{host} has no address: {error}")))?;
    Ok(addresses.next().ok_or_else(|| Unreachable(format!("{host} has no address")))?)
}

/// The body of a 200. HTTP/1.0, so that the answer ends with the connection.
///
/// # Errors
///
/// When nobody answers, or not with 200.
pub(crate) fn ask(address: SocketAddr, path: &str) -> Result<Vec<u8>, Unreachable> {
    let failed = |error| Unreachable(format!("http://{address} does not answer: {error}"));
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nhost: {address}\r\naccept: application/json\r\n\r\n"
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
    match line.split(' ').nth(1) {
        Some("200") => Ok(body.to_vec()),
        _ => Err(Unreachable(format!("http://{address} does not answer as an edge: {line:?}"))),
    }
}

fn text(status: &Status) -> String {
    let mut rows = vec![
        vec!["version".to_owned(), status.version.clone()],
        vec!["readiness".to_owned(), status.readiness.clone()],
        vec!["started".to_owned(), status.started_at.clone()],
        vec!["config".to_owned(), status.config_digest.clone()],
        vec!["in flight".to_owned(), status.in_flight.to_string()],
        vec!["connections".to_owned(), status.connections.to_string()],
        vec!["routes".to_owned(), status.routes_count.to_string()],
        vec!["teams".to_owned(), status.teams.join(", ")],
        vec!["lines dropped".to_owned(), status.access_lines_dropped.to_string()],
    ];
    for listener in &status.listeners {
        rows.push(vec![format!("{} listener", listener.kind), listener.address.to_string()]);
    }
    for source in &status.identity {
        let health = source.fault.clone().unwrap_or_else(|| "ok".to_owned());
        let keys = format!("{}, {} keys, {health}", source.kind, source.keys_count);
        rows.push(vec![format!("identity {}", source.name), keys]);
    }
    for upstream in &status.upstreams {
        for endpoint in &upstream.endpoints {
            let latency = endpoint.latency_ms;
            let latency =
                latency.map_or_else(|| "-".to_owned(), |latency| format!("{latency:.1} ms"));
            let state = format!(
                "{}, {} in flight, latency {latency}",
                endpoint.address, endpoint.in_flight
            );
            rows.push(vec![format!("upstream {}/{}", upstream.team, upstream.name), state]);
        }
    }
    columns(&rows)
}

#[cfg(test)]
mod tests;
