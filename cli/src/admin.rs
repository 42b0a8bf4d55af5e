//! The admin listener of a running edge, as verbs ask it.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _},
    ops::ControlFlow,
    time::Duration,
};

use anyhow::Context as _;
use headgate_admin::FaultStatus;
use http::Uri;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    args,
    exit::{self, Invalid, Unreachable},
};

/// Time for each of connecting, sending and reading.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read. A status of ten thousand endpoints is far smaller.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// Bytes of one line that is followed: of a head, or an access line, which is far shorter.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Whom to ask when nothing is said.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);
/// The port of an admin URL that names none.
const HTTP_PORT: u16 = 80;
const NOT_FOUND: u16 = 404;
const CONFLICT: u16 = 409;
const UNAVAILABLE: u16 = 503;

/// An admin listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin {
    address: SocketAddr,
    answer_bytes_max: u64,
}

/// What it answered: a 200 or 201, or a problem of the edge's own.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The body of a success.
    Ok(Vec<u8>),
    /// Something is refused, with a code and a text.
    Refused(Refused),
}

/// Why an edge refuses what was asked.
#[derive(Debug)]
pub(crate) struct Refused {
    status: u16,
    text: String,
}

impl Refused {
    /// Whether it stands otherwise by now than whoever asked has seen.
    pub(crate) const fn is_conflict(&self) -> bool {
        self.status == CONFLICT
    }

    /// Whether there is no such thing.
    pub(crate) const fn is_unknown(&self) -> bool {
        self.status == NOT_FOUND
    }

    /// What it says.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// As the error that a verb ends with.
    pub(crate) fn error(self) -> anyhow::Error {
        if self.status == UNAVAILABLE {
            return Unreachable(self.text).into();
        }
        exit::Refused(self.text).into()
    }
}

impl Admin {
    /// The one that the arguments name.
    ///
    /// # Errors
    ///
    /// A URL or a configuration that can't be used.
    pub(crate) fn at(args: &args::Admin) -> anyhow::Result<Self> {
        Ok(Self::called(address(args)?))
    }

    /// The one that listens at an address.
    pub(crate) fn on(listen: SocketAddr) -> Self {
        Self::called(reachable(listen))
    }

    const fn called(address: SocketAddr) -> Self {
        Self { address, answer_bytes_max: ANSWER_BYTES_MAX }
    }

    /// The same, whose answers may have so many bytes.
    pub(crate) const fn reading(self, answer_bytes_max: u64) -> Self {
        Self { answer_bytes_max, ..self }
    }

    /// The one at a URL.
    ///
    /// # Errors
    ///
    /// A URL that is none, or whose host has no address.
    pub(crate) fn of_url(url: &Uri) -> anyhow::Result<Self> {
        Ok(Self::called(address_of(url)?))
    }

    /// Asks for a path.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] when nobody answers, or not as an edge does.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Unreachable> {
        self.ask("GET", path, None)
    }

    /// Sends something to a path.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub(crate) fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Answer> {
        Ok(self.ask("POST", path, Some(&serde_json::to_string(body)?))?)
    }

    /// Asks for something to be removed.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub(crate) fn delete(&self, path: &str) -> Result<Answer, Unreachable> {
        self.ask("DELETE", path, None)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer, Unreachable> {
        let exchange = || -> io::Result<Vec<u8>> {
            let mut answer = Vec::new();
            let stream = self.send(method, path, body)?;
            stream.take(self.answer_bytes_max).read_to_end(&mut answer)?;
            Ok(answer)
        };
        self.read(&exchange().map_err(|error| self.silent(&error))?)
    }

    /// Asks for lines that come one by one, and gives each to `line` until that says that it has
    /// seen enough, or the answer ends. Where nothing comes, the edge sends an empty one now and
    /// then.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); the edge refuses; or what `line` can't do.
    pub(crate) fn follow(
        &self,
        path: &str,
        mut line: impl FnMut(&str) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let silent = |error: io::Error| anyhow::Error::from(self.silent(&error));
        let mut stream = BufReader::new(self.send("GET", path, None).map_err(silent)?);
        let mut next = |text: &mut Vec<u8>| {
            let mut limited = stream.by_ref().take(LINE_BYTES_MAX);
            limited.read_until(b'\n', text).map_err(silent)
        };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && next(&mut head)? > 0 {}
        let is_ok = [&b"HTTP/1.0 200"[..], b"HTTP/1.1 200"].iter().any(|ok| head.starts_with(ok));
        if !is_ok {
            stream.take(self.answer_bytes_max).read_to_end(&mut head).map_err(silent)?;
            return self.read(&head)?.body().map(drop);
        }
        let mut text = Vec::new();
        while next(&mut text)? > 0 {
            if line(String::from_utf8_lossy(&text).trim_end())?.is_break() {
                break;
            }
            text.clear();
        }
        Ok(())
    }

    fn silent(&self, error: &io::Error) -> Unreachable {
        Unreachable(format!("http://{} does not answer: {error}", self.address))
    }

    /// HTTP/1.0, so that the answer ends with the connection.
    fn send(&self, method: &str, path: &str, body: Option<&str>) -> io::Result<TcpStream> {
        let address = self.address;
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut request =
            format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\naccept: application/json\r\n");
        if let Some(body) = body {
            let length = body.len();
            request.push_str("content-type: application/json\r\n");
            request.push_str("content-length: ");
            request.push_str(&length.to_string());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body.unwrap_or_default());
        stream.write_all(request.as_bytes())?;
        Ok(stream)
    }

    fn read(&self, answer: &[u8]) -> Result<Answer, Unreachable> {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = end.and_then(|end| answer.split_at_checked(end + 4)).unwrap_or_default();
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        if matches!(status, Some(200 | 201)) {
            return Ok(Answer::Ok(body.to_vec()));
        }
        let problem = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let member = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
        match (status, member("code"), member("title")) {
            (Some(status), Some(code), Some(title)) => {
                let detail = member("detail").map(|detail| format!(": {detail}"));
                let mut text = format!("{title}{} ({code})", detail.unwrap_or_default());
                let faults = problem.get("faults").cloned().unwrap_or_default();
                // Faults that are none add nothing to what is told already.
                let faults: Vec<FaultStatus> = serde_json::from_value(faults).unwrap_or_default();
                for fault in faults {
                    text.push_str("\n  ");
                    text.push_str(&fault.to_string());
                }
                Ok(Answer::Refused(Refused { status, text }))
            }
            _ => Err(Unreachable(format!(
                "http://{} does not answer as an edge: {line:?}",
                self.address
            ))),
        }
    }
}

impl Answer {
    /// The body of a success.
    ///
    /// # Errors
    ///
    /// The edge refuses.
    pub(crate) fn body(self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Ok(body) => Ok(body),
            Self::Refused(refused) => Err(refused.error()),
        }
    }

    /// What a success says, or why there is none.
    ///
    /// # Errors
    ///
    /// The edge refuses, or says what no edge says.
    pub(crate) fn json<T: DeserializeOwned>(self, admin: &Admin) -> anyhow::Result<T> {
        Ok(serde_json::from_slice(&self.body()?).map_err(|error| {
            Unreachable(format!("http://{} is no admin listener: {error}", admin.address))
        })?)
    }
}

fn address(args: &args::Admin) -> anyhow::Result<SocketAddr> {
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

#[cfg(test)]
mod tests;
