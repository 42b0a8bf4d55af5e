//! Calls one of the edge's own listeners, as a client does.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_idempotency::http::HEADER as IDEMPOTENCY_KEY;
use headgate_types::TraceId;
use http::{
    HeaderName, HeaderValue, Method, Request, StatusCode,
    header::{CONTENT_TYPE, HOST, LOCATION, USER_AGENT},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use super::{Credential, callable};
use crate::{
    edge::Edge,
    headers::{self, PROBE},
    server::Address,
    settings::{ClientAddress, Probe, Trust, UpstreamTls},
    upstream::tls,
};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Who asks.
const AGENT: &str = concat!("headgate/", env!("CARGO_PKG_VERSION"), " (probe)");
/// What a trusted balancer says of a connection that is its own.
const PROXY_OWN: &[u8] = b"PROXY UNKNOWN\r\n";
/// The name that a listener with TLS is asked for where a probe names no host.
const NAME: &str = "localhost";
const PREFER: HeaderName = HeaderName::from_static("prefer");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A connection to a listener, and what goes with each request on it.
pub(super) struct Caller<'a> {
    probe: &'a Probe,
    sender: SendRequest<Full<Bytes>>,
    common: Vec<(HeaderName, HeaderValue)>,
    /// The connection, which ends with this.
    _driver: JoinSet<()>,
}

/// What a request was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) trace: Option<TraceId>,
    pub(super) location: Option<String>,
    pub(super) body: Bytes,
}

impl<'a> Caller<'a> {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// Why there is none, in words.
    pub(super) async fn open(
        edge: &Edge,
        to: Address,
        (probe, credential, mark): (&'a Probe, Option<Credential>, HeaderValue),
    ) -> Result<Self, String> {
        let address = callable(to.address);
        let connected = TcpStream::connect(address).await;
        let mut stream =
            connected.map_err(|error| format!("can't connect to {address}: {error}"))?;
        let terms = edge.terms();
        let is_announced =
            terms.client_address == ClientAddress::ProxyProtocol && terms.trusts(address.ip());
        if is_announced {
            let announced = stream.write_all(PROXY_OWN).await;
            announced.map_err(|error| format!("{address} broke off: {error}"))?;
        }
        let host = match &probe.host {
            Some(host) => host.clone(),
            None => {
                HeaderValue::try_from(address.to_string()).map_err(|error| error.to_string())?
            }
        };
        let mut driver = JoinSet::new();
        let sender = if to.is_tls {
            let name = host.to_str().ok().filter(|_| probe.host.is_some()).unwrap_or(NAME);
            let stream = shake(name, stream).await?;
            handshake(stream, &mut driver).await?
        } else {
            handshake(stream, &mut driver).await?
        };
        let mut common =
            vec![(HOST, host), (USER_AGENT, HeaderValue::from_static(AGENT)), (PROBE, mark)];
        common.extend(credential);
        Ok(Self { probe, sender, common, _driver: driver })
    }

    /// Sends the probe itself, under a key of its own, so that a route that publishes takes each.
    pub(super) async fn send(&mut self) -> Result<Answer, String> {
        let Probe { method, path, body, .. } = self.probe;
        let mut request = self.request(method.clone(), path.clone(), body.clone())?;
        let headers = request.headers_mut();
        if !body.is_empty() {
            headers.entry(CONTENT_TYPE).or_insert(JSON);
        }
        if !method.is_safe() && !headers.contains_key(IDEMPOTENCY_KEY) {
            let key = format!("\"probe-{:016x}{:016x}\"", fastrand::u64(..), fastrand::u64(..));
            let key = HeaderValue::try_from(key).map_err(|error| error.to_string())?;
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        self.ask(request).await
    }

    /// Asks for results, and lets the edge wait for them for so long.
    pub(super) async fn look(&mut self, location: &str, wait: Duration) -> Result<Answer, String> {
        let path = location.parse().map_err(|_| "its results have no address".to_owned())?;
        let mut request = self.request(Method::GET, path, Bytes::new())?;
        let wait = HeaderValue::try_from(format!("wait={}", wait.as_secs()));
        request.headers_mut().insert(PREFER, wait.map_err(|error| error.to_string())?);
        self.ask(request).await
    }

    fn request(
        &self,
        method: Method,
        path: PathAndQuery,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, String> {
        let request = Request::builder().method(method).uri(path).body(Full::new(body));
        let mut request = request.map_err(|error| error.to_string())?;
        let own = self.probe.headers.iter().chain(&self.common);
        for (name, value) in own {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let broken = |error: &dyn std::fmt::Display| format!("the connection broke off: {error}");
        self.sender.ready().await.map_err(|error| broken(&error))?;
        let response = self.sender.send_request(request).await.map_err(|error| broken(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let text = |name: HeaderName| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
        Ok(Answer {
            status: parts.status,
            trace: text(headers::TRACE_ID).and_then(|trace| trace.parse().ok()),
            location: text(LOCATION),
            body: body.map_err(|error| broken(&error))?.to_bytes(),
        })
    }
}

/// Speaks TLS. Whose certificate it is does not matter: the listener is the edge's own.
async fn shake(
    name: &str,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let settings = UpstreamTls { trust: Trust::Anybody, server_name: None, client: None };
    let config = tls::config(&settings).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    shaken.map_err(|error| format!("no TLS connection: {error}"))
}

async fn handshake<S>(
    stream: S,
    driver: &mut JoinSet<()>,
) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    driver.spawn(async move {
        // Whoever asks hears of it.
        let _ended = connection.await;
    });
    Ok(sender)
}
