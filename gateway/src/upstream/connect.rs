//! Opens one connection to an endpoint.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::AbortHandle,
    time::timeout,
};

use crate::{
    body::RequestBody,
    settings::{Endpoint, Protocol},
    upstream::{Upstream, pool::Sender},
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
    /// The protocol's own greeting failed.
    #[error("handshake failed")]
    Handshake(#[source] hyper::Error),
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

/// Opens a connection within the upstream's connect timeout. An HTTP/1.1 connection comes with
/// what ends it whatever is under way on it.
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
    endpoint: &Endpoint,
    open: Open,
) -> Result<(Sender, Option<AbortHandle>), ConnectError> {
    let opening = async {
        match endpoint {
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(&**address).await.map_err(ConnectError::Io)?;
                stream.set_nodelay(true).map_err(ConnectError::Io)?;
                greet(upstream, stream, open).await
            }
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(ConnectError::Io)?;
                greet(upstream, stream, open).await
            }
        }
    };
    let limit = upstream.settings.connect_timeout;
    timeout(limit, opening).await.unwrap_or(Err(ConnectError::TimedOut))
}

async fn greet<S>(
    upstream: &Arc<Upstream>,
    stream: S,
    open: Open,
) -> Result<(Sender, Option<AbortHandle>), ConnectError>
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
            Ok((Sender::H1(sender), Some(task.abort_handle())))
        }
        Protocol::H2c => {
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(PING_AFTER)
                .keep_alive_timeout(PING_TIMEOUT)
                .initial_stream_window_size(WINDOW_BYTES)
                .initial_connection_window_size(WINDOW_BYTES * 4)
                .max_header_list_size(u32::try_from(ANSWER_HEAD_BYTES_MAX).unwrap_or(u32::MAX))
                .handshake::<_, RequestBody>(io)
                .await
                .map_err(ConnectError::Handshake)?;
            tokio::spawn(async move {
                let _ended = connection.await;
                drop(open);
            });
            Ok((Sender::H2(sender), None))
        }
    }
}
