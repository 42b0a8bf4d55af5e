//! The right to send one request on a connection.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use tokio::time::{Instant, timeout};

use crate::{
    body::RequestBody,
    settings::Protocol,
    upstream::{
        Upstream,
        connect::{ConnectError, Open, Opened, connect},
        pool::{Counted, Next, Pool, with_pool},
        turns::Turn,
    },
};

/// How often a request waits for a connection that another one opens, before it opens its own.
const JOINS_MAX: usize = 2;

/// The sending half of a connection.
pub(crate) enum Sender {
    /// One exchange at a time.
    H1(http1::SendRequest<RequestBody>),
    /// Many at once.
    H2(http2::SendRequest<RequestBody>),
}

/// The right to send one request on a connection. Dropped before [`Lease::give_back`], it closes
/// an HTTP/1.1 connection, whose exchange may be half done.
pub(crate) struct Lease {
    pub(super) sender: Sender,
    pub(super) endpoint: usize,
    /// Whether the connection has served before, and so may have died while it idled.
    pub(crate) is_reused: bool,
    /// Whether the request waited for it while another one opened or used it.
    pub(crate) has_waited: bool,
    /// None on a shared connection, which the pool counts.
    pub(super) counted: Option<Counted>,
    pub(super) _stream: Option<Stream>,
}

/// One stream of a shared connection.
pub(super) struct Stream(Arc<AtomicUsize>);

impl Stream {
    pub(super) fn begin(streams: &Arc<AtomicUsize>) -> Self {
        streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(streams))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a request has no answer.
pub(crate) enum SendError {
    /// Nothing of it was sent; here it is again, if it was asked for.
    Unsent(Option<Box<Request<RequestBody>>>),
    /// It was sent at least in part, and the endpoint says that it has done nothing with it.
    Refused,
    /// It was sent at least in part.
    Sent(hyper::Error),
}

/// Whether an HTTP/2 endpoint says that it did nothing with a request: it refused the stream, or
/// is going away and names an earlier one as the last that it acts on (RFC 9113, 8.7 and 6.8).
fn is_refusal(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    let Some(error) = source.and_then(|source| source.downcast_ref::<h2::Error>()) else {
        return false;
    };
    let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    // h2 gives a going-away to streams above the last one only; the others end as they end.
    error.is_remote() && (is_refused || error.is_go_away())
}

impl Lease {
    /// Takes a kept connection, or opens one.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when there was none to take and none could be opened.
    pub(crate) async fn take(
        upstream: &Arc<Upstream>,
        endpoint: usize,
        is_repeatable: bool,
    ) -> Result<Self, ConnectError> {
        let kept = with_pool(|pool| pool.take(upstream, endpoint, is_repeatable));
        match kept {
            Some(lease) => Ok(lease),
            // Boxed: it is rare, and would make every exchange as large as itself.
            None if upstream.settings.protocol == Protocol::H1 => {
                Box::pin(Self::take_turn(upstream, endpoint)).await
            }
            None => Box::pin(Self::share(upstream, endpoint)).await,
        }
    }

    /// Takes another connection than one that has failed: a new one, or one that others share.
    ///
    /// # Errors
    ///
    /// As [`Lease::take`].
    pub(crate) async fn retake(
        upstream: &Arc<Upstream>,
        endpoint: usize,
    ) -> Result<Self, ConnectError> {
        match upstream.settings.protocol {
            Protocol::H1 => Self::open(upstream, endpoint).await,
            Protocol::H2 | Protocol::H2c => Self::share(upstream, endpoint).await,
        }
    }

    /// Takes a stream of a shared connection, waits for one that is being opened, or opens one.
    async fn share(upstream: &Arc<Upstream>, endpoint: usize) -> Result<Self, ConnectError> {
        for joins in 0..JOINS_MAX {
            match with_pool(|pool| pool.next(upstream, endpoint)) {
                Next::Take(lease) => return Ok(Self { has_waited: joins > 0, ..lease }),
                Next::Wait(waiting) => waiting.end().await?,
                Next::Open(opener) => {
                    let opened = Self::open(upstream, endpoint).await;
                    opener.ended(&opened);
                    return opened;
                }
            }
        }
        Self::open(upstream, endpoint).await
    }

    /// Opens a connection once it is this request's turn, or takes one that is given back before.
    async fn take_turn(upstream: &Arc<Upstream>, endpoint: usize) -> Result<Self, ConnectError> {
        let turns = with_pool(|pool| Arc::clone(&pool.slot(upstream, endpoint).turns));
        let place = reserve(upstream, &turns.places)?;
        let turn = match turns.ask() {
            Ok(turn) => turn,
            Err(told) => match timeout(upstream.settings.connect_timeout, told).await {
                Ok(Ok(turn)) => turn,
                Ok(Err(_)) | Err(_) => return Err(ConnectError::TimedOut),
            },
        };
        match turn {
            Turn::Take(idle) => Ok(Self { has_waited: true, ..idle.lease(endpoint) }),
            Turn::Open(_right) => Self::open_at(upstream, endpoint, place).await,
        }
    }

    /// Opens a connection, whatever is kept.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub(crate) async fn open(
        upstream: &Arc<Upstream>,
        endpoint: usize,
    ) -> Result<Self, ConnectError> {
        let place =
            with_pool(|pool| reserve(upstream, &pool.slot(upstream, endpoint).turns.places))?;
        Self::open_at(upstream, endpoint, place).await
    }

    async fn open_at(
        upstream: &Arc<Upstream>,
        endpoint: usize,
        place: Open,
    ) -> Result<Self, ConnectError> {
        let started = Instant::now();
        let opened = connect(upstream, endpoint, place).await?;
        let Opened { sender, task, streams_max } = opened;
        upstream.metrics.connection_opened(started.elapsed());
        let counted = Counted::new(upstream, task);
        let (counted, stream) = match &sender {
            Sender::H1(_) => (Some(counted), None),
            Sender::H2(sender) => {
                let shared = sender.clone();
                let share = |pool: &mut Pool| pool.share(endpoint, (shared, streams_max), counted);
                (None, Some(with_pool(share)))
            }
        };
        Ok(Self { sender, endpoint, is_reused: false, has_waited: false, counted, _stream: stream })
    }

    /// Waits for the connection, asks for the request, sends it, and waits for the answer's head.
    ///
    /// # Errors
    ///
    /// [`SendError`] tells whether the endpoint may have seen the request.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the request: an HTTP/1.1 connection closes, an HTTP/2 stream is reset.
    pub(crate) async fn send(
        &mut self,
        request: impl FnOnce() -> Option<Request<RequestBody>>,
    ) -> Result<Response<Incoming>, SendError> {
        let sent = match &mut self.sender {
            Sender::H1(sender) => {
                let ready = sender.ready().await.is_ok();
                let request = ready.then(request).flatten().ok_or(SendError::Unsent(None))?;
                sender.try_send_request(request).await
            }
            Sender::H2(sender) => {
                let ready = sender.ready().await.is_ok();
                let request = ready.then(request).flatten().ok_or(SendError::Unsent(None))?;
                sender.try_send_request(request).await
            }
        };
        sent.map_err(|mut failed| match failed.take_message() {
            Some(request) => SendError::Unsent(Some(Box::new(request))),
            None => match failed.into_error() {
                error if is_refusal(&error) => SendError::Refused,
                error => SendError::Sent(error),
            },
        })
    }

    /// Lets the connection become what it is upgraded to.
    pub(crate) fn hand_over(mut self) {
        if let Some(counted) = &mut self.counted {
            counted.let_go();
        }
    }

    /// Keeps the connection for the next request. To be called once the answer has been read.
    pub(crate) fn give_back(self) {
        // An HTTP/2 connection never left the pool.
        if let (Sender::H1(sender), Some(counted)) = (self.sender, self.counted)
            && !sender.is_closed()
        {
            with_pool(|pool| pool.keep(self.endpoint, sender, counted));
        }
    }
}

/// A place among the connections that this thread may have to an endpoint.
fn reserve(upstream: &Upstream, places: &Arc<AtomicUsize>) -> Result<Open, ConnectError> {
    let max = upstream.settings.connections_max.get();
    Open::reserve(places, max).ok_or(ConnectError::Exhausted)
}
