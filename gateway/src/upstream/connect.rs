//! Opens one connection to an endpoint.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use headgate_telemetry::AttemptResult;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::oneshot,
    task::AbortHandle,
    time::timeout,
};

use crate::{
    body::RequestBody,
    settings::{Address, Protocol},
    upstream::{
        Upstream,
        lease::Sender,
        steps::{self, Steps},
    },
};

/// Bytes of an answer's head; more is no answer. Headers are limited to hyper's 100.
const ANSWER_HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes that may wait unread or unsent in one HTTP/1.1 connection.
const BUFFER_BYTES_MAX: usize = 256 << 10;
/// Silence after which an HTTP/2 connection in use is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_secs(20);
/// Time that the sign of life may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that one stream, and one connection, may send before they are read.
const WINDOW_BYTES: u32 = 256 << 10;

/// Streams on one HTTP/2 connection before the next is opened; most servers allow 100.
pub(super) const STREAMS_MAX: usize = 100;

/// Time that an endpoint has to tell its limits.
const SETTINGS_WITHIN: Duration = Duration::from_secs(1);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// This thread has as many to the endpoint as it may.
    #[error("connection limit reached")]
    Exhausted,
    /// The endpoint did not accept within the connect timeout.
    #[error("connect timed out")]
    TimedOut,
    /// The endpoint, the network or the name's look-up refused.
    #[error("connect failed")]
    Io(#[source] io::Error),
    /// The endpoint's certificate is not good: not signed by who is trusted, for another name, or
    /// over.
    #[error("certificate is not trusted")]
    Untrusted(#[source] io::Error),
    /// Something else kept the two from speaking TLS.
    #[error("no TLS connection")]
    Tls(#[source] io::Error),
    /// The protocol's own greeting failed.
    #[error("handshake failed")]
    Handshake(#[source] hyper::Error),
}

impl ConnectError {
    /// The same for somebody else who waited for the connection.
    pub(super) fn alike(&self) -> Self {
        let same = |error: &io::Error| io::Error::from(error.kind());
        match self {
            Self::Exhausted => Self::Exhausted,
            Self::TimedOut => Self::TimedOut,
            Self::Io(error) => Self::Io(same(error)),
            Self::Untrusted(error) => Self::Untrusted(same(error)),
            Self::Tls(error) => Self::Tls(same(error)),
            Self::Handshake(_) => Self::Io(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// The attempt's end that it comes to.
    pub(crate) const fn result(&self) -> AttemptResult {
        match self {
            Self::Exhausted => AttemptResult::Exhausted,
            Self::Untrusted(_) => AttemptResult::Untrusted,
            Self::Tls(_) => AttemptResult::Tls,
            Self::TimedOut | Self::Io(_) | Self::Handshake(_) => AttemptResult::Connect,
        }
    }
}

/// A connection that is open.
pub(crate) struct Opened {
    pub(super) sender: Sender,
    /// Ends an HTTP/1.1 connection, whatever is under way on it.
    pub(super) task: Option<AbortHandle>,
    /// Streams that the endpoint takes at once, as it last said.
    pub(super) streams_max: Arc<AtomicUsize>,
}

/// One open connection, counted until it ends.
#[derive(Debug)]
pub(crate) struct Open {
    here: Arc<AtomicUsize>,
}

impl Open {
    /// Takes a place among `max`, or none.
    pub(crate) fn reserve(here: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let open = Self { here: Arc::clone(here) };
        // The guard gives the place back when the limit was reached.
        (here.fetch_add(1, Ordering::Relaxed) < max).then_some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.here.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Opens a connection within the upstream's connect timeout, TLS included.
///
/// # Errors
///
/// [`ConnectError`]; nothing of a request has been sent then.
///
/// # Cancel safety
///
/// Dropping it closes what was opened.
pub(crate) async fn connect(
    upstream: &Arc<Upstream>,
    endpoint: usize,
    open: Open,
) -> Result<Opened, ConnectError> {
    let one = upstream.settings.endpoints.get(endpoint).ok_or(ConnectError::Exhausted)?;
    let opening = async {
        match &one.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(&**address).await.map_err(ConnectError::Io)?;
                stream.set_nodelay(true).map_err(ConnectError::Io)?;
                secure(upstream, endpoint, stream, open).await
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(ConnectError::Io)?;
                secure(upstream, endpoint, stream, open).await
            }
        }
    };
    let limit = upstream.settings.connect_timeout;
    timeout(limit, opening).await.unwrap_or(Err(ConnectError::TimedOut))
}

async fn secure<S>(
    upstream: &Arc<Upstream>,
    endpoint: usize,
    stream: S,
    open: Open,
) -> Result<Opened, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match &upstream.tls {
        None => greet(upstream, stream, open).await,
        Some(tls) => {
            let stream = Box::pin(tls.shake(endpoint, stream)).await?;
            greet(upstream, stream, open).await
        }
    }
}

async fn greet<S>(upstream: &Arc<Upstream>, stream: S, open: Open) -> Result<Opened, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let io = TokioIo::new(stream);
    match upstream.settings.protocol {
        Protocol::H1 => {
            let (sender, connection) = http1::Builder::new()
                .max_header_size(ANSWER_HEAD_BYTES_MAX)
                .max_buf_size(BUFFER_BYTES_MAX)
                .handshake::<_, RequestBody>(io)
                .await
                .map_err(ConnectError::Handshake)?;
            // The task ends when the sender is dropped or the endpoint closes; whatever went wrong
            // has been told to the exchange that waited.
            let task = tokio::spawn(async move {
                let _ended = connection.with_upgrades().await;
                drop(open);
            });
            let task = Some(task.abort_handle());
            Ok(Opened { sender: Sender::H1(sender), task, streams_max: Arc::default() })
        }
        Protocol::H2 | Protocol::H2c => {
            let steps = Steps::default();
            let (sender, connection) = http2::Builder::new(steps.clone())
                .initial_max_send_streams(steps::UNTOLD)
                .timer(TokioTimer::new())
                .keep_alive_interval(PING_AFTER)
                .keep_alive_timeout(PING_TIMEOUT)
                .initial_stream_window_size(WINDOW_BYTES)
                .initial_connection_window_size(WINDOW_BYTES * 4)
                .max_header_list_size(u32::try_from(ANSWER_HEAD_BYTES_MAX).unwrap_or(u32::MAX))
                .handshake::<_, RequestBody>(io)
                .await
                .map_err(ConnectError::Handshake)?;
            let streams_max = Arc::new(AtomicUsize::new(STREAMS_MAX));
            let (tell, told) = oneshot::channel();
            let said = Arc::clone(&streams_max);
            tokio::spawn(async move {
                steps.follow(connection, (tell, &said)).await;
                drop(open);
            });
            // One that takes longer is asked all the same.
            if let Ok(Err(_ended)) = timeout(SETTINGS_WITHIN, told).await {
                let ended = io::Error::from(io::ErrorKind::UnexpectedEof);
                // By TLS 1.3 an endpoint refuses the edge's certificate only now.
                let is_tls = upstream.tls.is_some();
                return Err(if is_tls {
                    ConnectError::Tls(ended)
                } else {
                    ConnectError::Io(ended)
                });
            }
            Ok(Opened { sender: Sender::H2(sender), task: None, streams_max })
        }
    }
}
