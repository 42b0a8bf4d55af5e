//! Connections of the admin API: how many there may be, and how long and large a request.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep_until},
};

/// Connections at once; further clients wait to be accepted. Some probes and a scraper need few.
pub(crate) const CONNECTIONS_MAX: usize = 64;
/// Time from a request's first byte to its answer, before the connection is closed.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a connection may wait for its next request: more than a usual scrape interval.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Bytes of one request, head and body. An overlay of the largest value takes a third.
pub(crate) const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Accepts up to [`CONNECTIONS_MAX`] connections at once.
pub(crate) struct Listener {
    socket: TcpListener,
    places: Arc<Semaphore>,
    /// Ends the accepting, once. None: it has ended.
    no_more: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Listener {
    /// Accepts until `no_more` is ready.
    pub(crate) fn new(
        socket: TcpListener,
        no_more: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Self { socket, places, no_more: Some(no_more) }
    }
}

impl serve::Listener for Listener {
    type Io = Connection<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (socket, places) = (&mut self.socket, Arc::clone(&self.places));
        let accepted = async {
            let place = places.acquire_owned().await.ok();
            let (stream, client) = serve::Listener::accept(socket).await;
            (Connection::new(stream, place), client)
        };
        if let Some(no_more) = &mut self.no_more {
            tokio::select! {
                biased;
                () = no_more => {}
                accepted = accepted => return accepted,
            }
        }
        self.no_more = None;
        std::future::pending().await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.socket.local_addr()
    }
}

/// A stream on which every request ends within its time and size.
///
/// Bytes that arrive after a write belong to the next request; a write answers it.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    /// Ends the connection: the request's deadline, or the end of idling.
    timer: Pin<Box<Sleep>>,
    request_bytes: usize,
    _place: Option<OwnedSemaphorePermit>,
}

impl<S> Connection<S> {
    pub(crate) fn new(stream: S, place: Option<OwnedSemaphorePermit>) -> Self {
        let timer = Box::pin(sleep_until(Instant::now() + REQUEST_TIMEOUT));
        Self { stream, timer, request_bytes: 0, _place: place }
    }

    fn count(&mut self, bytes: usize) -> io::Result<()> {
        if self.request_bytes == 0 {
            self.timer.as_mut().reset(Instant::now() + REQUEST_TIMEOUT);
        }
        self.request_bytes += bytes;
        if self.request_bytes > REQUEST_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "admin request too large"));
        }
        Ok(())
    }

    /// Whether the time is up; wakes the task when it will be.
    fn check_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.timer.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    /// A client that does not read its answer is cut off like one that does not send its request.
    fn answered(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = written else {
            self.check_time(context)?;
            return Poll::Pending;
        };
        self.request_bytes = 0;
        self.timer.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
        Poll::Ready(written)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.check_time(context)?;
        let filled = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        match buffer.filled().len() - filled {
            0 => Poll::Ready(Ok(())),
            bytes => Poll::Ready(this.count(bytes)),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.answered(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.answered(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
