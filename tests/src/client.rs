//! Clients that speak HTTP as it should be spoken.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version, header::HOST,
};
use http_body_util::{BodyExt, Empty, Full, channel, combinators::UnsyncBoxBody};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};

use crate::{tls::Authority, within};

/// Whatever goes wrong in a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;
/// Writes a body piece by piece; dropping it ends the body.
pub type BodySender = channel::Sender<Bytes, BoxError>;

/// A request in the making.
#[derive(Debug)]
pub struct Call(Request<Body>);

/// A GET.
pub fn get(path: &str) -> Call {
    call("GET", path)
}

/// A POST of a body with its length.
pub fn post(path: &str, body: impl Into<Bytes>) -> Call {
    call("POST", path).body(Full::new(body.into()).map_err(Into::into).boxed_unsync())
}

/// A request without a body.
pub fn call(method: &str, path: &str) -> Call {
    let mut request = Request::new(Empty::new().map_err(Into::into).boxed_unsync());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    *request.uri_mut() = path.parse().unwrap();
    Call(request)
}

/// A body that is written while it is sent.
pub fn streamed() -> (BodySender, Body) {
    let (sender, body) = channel::Channel::new(8);
    (sender, body.boxed_unsync())
}

impl Call {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.0.headers_mut().append(name, HeaderValue::from_str(value.as_ref()).unwrap());
        self
    }

    /// Adds a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        *self.0.body_mut() = body;
        self
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.0.uri().path()
    }
}

/// A connection to an edge.
#[derive(Debug)]
pub struct Client {
    sender: Sender,
    scheme: &'static str,
    authority: String,
    connection: JoinHandle<Result<(), hyper::Error>>,
}

#[derive(Debug)]
enum Sender {
    H1(http1::SendRequest<Body>),
    H2(http2::SendRequest<Body>),
}

impl Client {
    /// HTTP/1.1 without TLS.
    pub async fn h1(address: SocketAddr) -> Self {
        let tcp = connect(address).await;
        Self::h1_over(tcp, "http", address.to_string()).await
    }

    /// HTTP/2 without TLS, with prior knowledge.
    pub async fn h2(address: SocketAddr) -> Self {
        let tcp = connect(address).await;
        Self::h2_over(tcp, "http", address.to_string()).await
    }

    /// HTTP/1.1 over TLS, for a server of that name.
    pub async fn tls_h1(address: SocketAddr, authority: &Authority, name: &str) -> Self {
        let tls = authority.connect(address, name, &["http/1.1"]).await;
        Self::h1_over(tls, "https", name.to_owned()).await
    }

    /// HTTP/2 over TLS, for a server of that name.
    pub async fn tls_h2(address: SocketAddr, authority: &Authority, name: &str) -> Self {
        let tls = authority.connect(address, name, &["h2"]).await;
        Self::h2_over(tls, "https", name.to_owned()).await
    }

    /// HTTP/1.1 on a connection that is open.
    pub async fn h1_on(tcp: TcpStream) -> Self {
        let authority = tcp.peer_addr().unwrap().to_string();
        Self::h1_over(tcp, "http", authority).await
    }

    /// HTTP/2 on a connection that is open.
    pub async fn h2_on(tcp: TcpStream) -> Self {
        let authority = tcp.peer_addr().unwrap().to_string();
        Self::h2_over(tcp, "http", authority).await
    }

    /// HTTP/1.1 over TLS that is there.
    pub async fn h1_over_tls<S>(tls: S, name: &str) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self::h1_over(tls, "https", name.to_owned()).await
    }

    async fn h1_over<S>(stream: S, scheme: &'static str, authority: String) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection.with_upgrades());
        Self { sender: Sender::H1(sender), scheme, authority, connection }
    }

    async fn h2_over<S>(stream: S, scheme: &'static str, authority: String) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        let connection = tokio::spawn(connection);
        Self { sender: Sender::H2(sender), scheme, authority, connection }
    }

    /// Names another host than the address.
    #[must_use]
    pub fn host(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    ///
    /// When there is no answer, or it breaks off.
    pub async fn send(&mut self, call: Call) -> Reply {
        let what = format!("answer to {}", call.path());
        let reply = within(&what, async { Reply::read(self.open(call).await).await }).await;
        reply.unwrap_or_else(|error| panic!("{what} broke off: {error}"))
    }

    /// Sends a request and reads the head of the answer.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub async fn open(&mut self, call: Call) -> Response<Incoming> {
        self.try_open(call).await.expect("an answer")
    }

    /// Sends a request and reads the head of the answer, if there is one.
    pub async fn try_open(&mut self, Call(mut request): Call) -> hyper::Result<Response<Incoming>> {
        let what = format!("head of the answer to {}", request.uri());
        let sent = async {
            match &mut self.sender {
                Sender::H1(sender) => {
                    let host = HeaderValue::from_str(&self.authority).unwrap();
                    request.headers_mut().entry(HOST).or_insert(host);
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::H2(sender) => {
                    let path = request.uri().path_and_query().unwrap().clone();
                    let uri = Uri::builder().scheme(self.scheme).authority(&*self.authority);
                    *request.uri_mut() = uri.path_and_query(path).build().unwrap();
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        within(&what, sent).await
    }

    /// Another handle of the same HTTP/2 connection.
    ///
    /// # Panics
    ///
    /// On HTTP/1.1, which has one exchange at a time.
    #[must_use]
    pub fn another(&self) -> Self {
        let Sender::H2(sender) = &self.sender else {
            panic!("HTTP/1.1 has one exchange at a time")
        };
        Self {
            sender: Sender::H2(sender.clone()),
            scheme: self.scheme,
            authority: self.authority.clone(),
            connection: tokio::spawn(async { Ok(()) }),
        }
    }

    /// Closes the connection, whatever is under way.
    pub fn abort(self) {
        self.connection.abort();
    }

    /// Whether the edge has closed the connection.
    pub fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::H1(sender) => sender.is_closed(),
            Sender::H2(sender) => sender.is_closed(),
        }
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The protocol that it came by.
    pub version: Version,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
}

impl Reply {
    /// Reads an answer to its end.
    ///
    /// # Errors
    ///
    /// When it breaks off.
    pub async fn read(response: Response<Incoming>) -> hyper::Result<Self> {
        let (parts, body) = response.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned();
        Ok(Self {
            status: parts.status.as_u16(),
            version: parts.version,
            headers: parts.headers,
            body: collected.to_bytes(),
            trailers,
        })
    }

    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The trace id, which every answer has.
    pub fn trace_id(&self) -> &str {
        let id = self.header("headgate-trace-id");
        assert!(is_trace_id(id), "no trace id: {id:?}");
        id
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The edge's own problem body, checked for what every one of them has.
    ///
    /// # Panics
    ///
    /// When this is no such answer, or one of its parts is missing or disagrees with another.
    pub fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["trace_id"], self.trace_id());
        let code = problem["code"].as_str().unwrap();
        assert!(code.starts_with("HG"), "{code}");
        for text in ["type", "title", "outcome"] {
            assert!(problem[text].is_string(), "{text} in {problem}");
        }
        assert!(problem["retryable"].is_boolean(), "{problem}");
        assert_eq!(
            problem.get("retry_after_ms").is_some(),
            self.headers.contains_key("retry-after")
        );
        let proxy_status = self.header("proxy-status");
        assert!(proxy_status.starts_with("headgate; error="), "{proxy_status:?}");
        problem
    }

    /// The outcome in the edge's own problem body.
    pub fn outcome(&self) -> String {
        self.problem()["outcome"].as_str().unwrap().to_owned()
    }
}

/// Whether this is a trace id: 32 lowercase hexadecimal digits, not all zero.
pub fn is_trace_id(id: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    id.len() == 32 && id.bytes().all(is_digit) && id.bytes().any(|byte| byte != b'0')
}
