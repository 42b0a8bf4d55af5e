//! One client connection: hyper reads and writes HTTP on pingora's stream.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use headgate_telemetry::{BadHead, Listener, Refusal, access::Members};
use http::{HeaderMap, HeaderValue, Request};
use hyper::{
    body::Incoming,
    server::conn::{
        http1::{self, UpgradeableConnection},
        http2,
    },
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use pingora_core::protocols::{ALPN, GetSocketDigest, Ssl, Stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    body::ClientBody,
    client::{self, Client},
    connections::Place,
    drain::Phase,
    edge::{Edge, Terms},
    exchange::{Answering, Exchanges},
    identity::{ClientCertificate, Credentials},
    overload, proxied,
    stream::{Activity, EdgeStream, Patience},
    streams::{self, Streams},
    timer::SpareTimer,
};

/// What an HTTP/2 client says first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes that may wait unread or unsent in one HTTP/1.1 connection, beside its head.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// Bytes that one HTTP/2 stream may send before its exchange reads them.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
/// Bytes that one HTTP/2 connection may send before its exchanges read them.
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// Bytes of answers that may wait in one HTTP/2 stream.
const SEND_BUFFER_BYTES_MAX: usize = 64 << 10;
/// Streams that a client may reset before they are begun (CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;
/// Silence after which an HTTP/2 client with open streams is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_secs(30);
/// Time that the sign of life may take.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Headers that hyper takes unless it is told another number.
const HYPER_HEADERS_MAX: usize = 100;
/// Time that a refusal may take to leave.
const REFUSE_FOR: Duration = Duration::from_secs(1);

/// What every exchange on a connection shares.
#[derive(Debug)]
pub(crate) struct Connection {
    /// What held when it was opened.
    pub(crate) terms: Arc<Terms>,
    /// Whether the client's trace is taken over.
    pub(crate) peer_is_trusted: bool,
    /// Whether the client speaks TLS.
    pub(crate) listener: Listener,
    /// The certificate that the client has shown.
    certificate: Option<Arc<ClientCertificate>>,
    /// What the access line of each of its exchanges says of it.
    pub(crate) members: Members,
    /// The address for `x-forwarded-for`.
    pub(crate) forwarded_for: HeaderValue,
    /// Who has connected.
    peer: IpAddr,
    /// The connection's clock.
    pub(crate) activity: Arc<Activity>,
    /// What its exchanges limit their attempts with.
    pub(crate) timer: SpareTimer,
}

impl Connection {
    /// Notes that the connection has sent its first request, or has ended without one.
    pub(crate) fn asked(&self, edge: &Edge) {
        if self.activity.asks_first() {
            edge.lifecycle.asked();
        }
    }

    /// All that a request on it shows of its caller.
    pub(crate) fn credentials<'a>(&'a self, headers: &'a HeaderMap) -> Credentials<'a> {
        Credentials { headers, certificate: self.certificate.as_deref() }
    }

    /// Who sends a request on it: whom a trusted proxy tells, or else who has connected.
    pub(crate) fn client(&self, headers: &HeaderMap) -> Client {
        let told = if self.peer_is_trusted { self.terms.told(headers) } else { None };
        told.map_or_else(|| Client::of(self.peer), |told| Client::told(told, self.listener))
    }

    /// Describes a connection from its client's address and certificate.
    pub(crate) fn new(
        edge: &Edge,
        peer: SocketAddr,
        listener: Listener,
        certificate: Option<Arc<ClientCertificate>>,
    ) -> Arc<Self> {
        let terms = edge.terms();
        Arc::new(Self {
            certificate,
            peer_is_trusted: terms.trusts(peer.ip()),
            terms,
            listener,
            members: Members::of_client(peer, listener),
            forwarded_for: client::address_value(peer.ip()),
            peer: peer.ip(),
            activity: Activity::new(Arc::clone(&edge.clock), &edge.protection.meter.idle_share),
            timer: SpareTimer::default(),
        })
    }
}

/// Serves one connection without TLS to its end, if there is a place for it.
pub(crate) async fn serve_plain(edge: Arc<Edge>, mut stream: Stream, peer: SocketAddr) {
    let Some(peer) = proxied::announced(&edge, &mut stream, peer).await else { return };
    match enter(&edge, peer) {
        Ok(_place) => serve(edge, stream, peer, Listener::Plain).await,
        Err(_refused) => refuse(stream).await,
    }
}

/// Serves one connection after its TLS handshake, before which it was given a place.
pub(crate) async fn serve_tls(edge: Arc<Edge>, stream: Stream, peer: SocketAddr) {
    serve(edge, stream, peer, Listener::Tls).await;
}

/// Takes a place for a client's connection, or counts that there was none.
pub(crate) fn enter(edge: &Edge, peer: SocketAddr) -> Result<Place, Refusal> {
    let is_full = edge.protection.meter.is_memory_full();
    // Behind a proxy there are many clients.
    let client = Some(peer.ip()).filter(|peer| !edge.terms().proxies(*peer));
    let entered = if is_full { Err(Refusal::Memory) } else { edge.connections.enter(client) };
    entered.inspect_err(|refused| edge.metrics.connection_refused(*refused))
}

async fn serve(edge: Arc<Edge>, mut stream: Stream, peer: SocketAddr, listener: Listener) {
    overload::watch_thread(&edge);
    let connection = Connection::new(&edge, peer, listener, certificate_of(&*stream));
    let _counted = Counted::new(&edge, &connection);
    let activity = Arc::clone(&connection.activity);
    let greeting =
        timeout(connection.terms.limits.header_timeout, read_greeting(&mut stream)).await;
    let Ok(Ok(greeting)) = greeting else {
        // Nothing was asked, so nothing is answered.
        return;
    };
    let ended = match greeting {
        Greeting::H1(prefix) => serve_h1(&edge, connection, stream, prefix).await,
        Greeting::H2(prefix) => serve_h2(&edge, connection, stream, prefix).await,
    };
    if let Some(bad) = ended.err().and_then(|error| bad_head(&error, &activity)) {
        edge.metrics.bad_head(bad);
    }
}

/// A connection as metrics and the drain see it, until it is dropped.
struct Counted<'a> {
    edge: &'a Edge,
    connection: Arc<Connection>,
}

impl<'a> Counted<'a> {
    fn new(edge: &'a Edge, connection: &Arc<Connection>) -> Self {
        edge.metrics.connection_opened(connection.listener);
        edge.lifecycle.connected();
        Self { edge, connection: Arc::clone(connection) }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.edge.metrics.connection_closed(self.connection.listener);
        self.connection.asked(self.edge);
    }
}

/// What the client speaks, and what was read to find out.
enum Greeting {
    H1(Bytes),
    H2(Bytes),
}

/// Reads as little as tells HTTP/1.1 from HTTP/2.
async fn read_greeting(stream: &mut Stream) -> io::Result<Greeting> {
    match stream.selected_alpn_proto() {
        Some(ALPN::H2) => return Ok(Greeting::H2(Bytes::new())),
        Some(ALPN::H1) => return Ok(Greeting::H1(Bytes::new())),
        _ => {}
    }
    let mut read = BytesMut::with_capacity(PREFACE.len());
    loop {
        if read.len() >= PREFACE.len() {
            return Ok(Greeting::H2(read.freeze()));
        }
        let room = PREFACE.len() - read.len();
        if (&mut *stream).take(room as u64).read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&read) {
            return Ok(Greeting::H1(read.freeze()));
        }
    }
}

type Ended = Result<(), hyper::Error>;

/// Wraps a client's stream with the deadlines that hyper does not keep.
fn timed(
    connection: &Connection,
    (stream, prefix): (Stream, Bytes),
    (idle, reads_heads): (Duration, bool),
) -> TokioIo<EdgeStream<Stream>> {
    let limits = &connection.terms.limits;
    let (head, unread) = (limits.header_timeout, limits.stream_idle);
    let patience = Patience { head, idle, unread, reads_heads };
    TokioIo::new(EdgeStream::new(stream, prefix, Arc::clone(&connection.activity), patience))
}

async fn serve_h1(
    edge: &Arc<Edge>,
    connection: Arc<Connection>,
    stream: Stream,
    prefix: Bytes,
) -> Ended {
    let limits = connection.terms.limits.clone();
    let io = timed(&connection, (stream, prefix), (limits.keep_alive, true));
    let activity = Arc::clone(&connection.activity);
    let head_bytes_max = usize::try_from(limits.header_bytes_max.as_bytes()).unwrap_or(usize::MAX);
    let mut builder = http1::Builder::new();
    builder
        .half_close(false)
        .header_read_timeout(None)
        .max_header_size(head_bytes_max)
        .max_buf_size(BUFFER_BYTES_MAX.max(head_bytes_max));
    // Saying it, hyper reads into the heap; unsaid, its default of 100 is on the stack.
    if limits.headers_max.get() != HYPER_HEADERS_MAX {
        builder.max_headers(limits.headers_max.get());
    }
    let hyper = builder.serve_connection(io, service_fn(answer(edge, connection))).with_upgrades();
    // Before that, answers close their connections: a request that is under way when the edge
    // begins to drain still gets through.
    let closing = reached(edge, Phase::Closed);
    drive(hyper, UpgradeableConnection::graceful_shutdown, &activity, closing).await
}

async fn serve_h2(
    edge: &Arc<Edge>,
    connection: Arc<Connection>,
    stream: Stream,
    prefix: Bytes,
) -> Ended {
    let limits = connection.terms.limits.clone();
    let io = timed(&connection, (stream, prefix), (limits.h2_idle, false));
    let activity = Arc::clone(&connection.activity);
    let header_bytes = u32::try_from(limits.header_bytes_max.as_bytes()).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(Streams { unread: limits.stream_idle });
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(header_bytes)
        .max_concurrent_streams(limits.h2_streams_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT)
        .enable_connect_protocol();
    let answer = answer(edge, connection);
    let hyper = builder.serve_connection(
        io,
        service_fn(move |request| {
            let mut answering = answer(request);
            poll_fn(move |cx| streams::note(answering.as_mut().poll(cx)))
        }),
    );
    let closing = async {
        reached(edge, Phase::Draining).await;
        // GOAWAY names the last stream that is served, so nothing is lost by telling at once; but
        // hyper closes at once a connection that it has not greeted yet.
        tokio::select! {
            () = until(|| activity.has_asked()) => {}
            () = reached(edge, Phase::Closed) => {}
        }
    };
    drive(hyper, http2::Connection::graceful_shutdown, &activity, closing).await
}

/// Serves a connection to its end, and tells it to end politely when it has idled for its time, or
/// the edge closes.
async fn drive<C: Future<Output = Ended>>(
    connection: C,
    end: impl Fn(Pin<&mut C>),
    activity: &Activity,
    closing: impl Future<Output = ()>,
) -> Ended {
    let mut connection = pin!(connection);
    let mut closing = pin!(closing);
    let mut is_told = false;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            if is_told {
                return Poll::Pending;
            }
            if !activity.has_idled() {
                ready!(closing.as_mut().poll(cx));
            }
            is_told = true;
            end(connection.as_mut());
        }
    })
    .await
}

/// Returns once something has happened that happens only while this task is polled, so that
/// nobody has to wake it.
async fn until(mut happened: impl FnMut() -> bool) {
    poll_fn(|_| if happened() { Poll::Ready(()) } else { Poll::Pending }).await;
}

fn answer(
    edge: &Arc<Edge>,
    connection: Arc<Connection>,
) -> impl Fn(Request<Incoming>) -> Answering + use<> {
    let exchanges = Exchanges::new(Arc::clone(edge), connection);
    move |request| exchanges.answer(request.map(ClientBody::from))
}

/// Returns once the edge has come to a phase; never if it ends before.
async fn reached(edge: &Edge, wanted: Phase) {
    if edge.lifecycle.watch().wait_for(|phase| *phase >= wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The client's address, as the socket tells it.
pub(crate) fn peer_of(stream: &(impl GetSocketDigest + ?Sized)) -> SocketAddr {
    let digest = stream.get_socket_digest();
    let peer = digest.as_ref().and_then(|digest| digest.peer_addr()?.as_inet().copied());
    peer.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))
}

/// The certificate that the client has shown when hands were shaken.
fn certificate_of(stream: &(impl Ssl + ?Sized)) -> Option<Arc<ClientCertificate>> {
    stream.get_ssl_digest()?.extension.get::<Arc<ClientCertificate>>().cloned()
}

/// Answers a connection above a limit with the least that a client understands.
async fn refuse(mut stream: Stream) {
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
        proxy-status: headgate; error=connection_limit_reached; details=\"HG0018\"\r\n\
        content-length: 0\r\n\r\n";
    // Whether the client reads it is its own affair.
    let _sent = timeout(REFUSE_FOR, async {
        stream.write_all(answer).await?;
        stream.flush().await?;
        stream.shutdown().await
    })
    .await;
}

/// Why a head never became an exchange, if that is how the connection ended.
fn bad_head(error: &hyper::Error, activity: &Activity) -> Option<BadHead> {
    if activity.head_timed_out() {
        Some(BadHead::Timeout)
    } else if error.is_parse_too_large() {
        Some(BadHead::TooLarge)
    } else if error.is_parse() {
        Some(BadHead::Malformed)
    } else if error.is_incomplete_message() {
        Some(BadHead::Incomplete)
    } else {
        None
    }
}
