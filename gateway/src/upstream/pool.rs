//! Connections kept for the next request, per thread: no lock, and no request changes its thread.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use tokio::{task::AbortHandle, time::Instant};

use crate::{
    body::RequestBody,
    upstream::{
        Upstream,
        connect::{ConnectError, Open, connect},
    },
};

/// How often a thread looks for connections that idled too long or were closed by their endpoint.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Idle connections that are looked at for one that is ready.
const READY_LOOKS: usize = 8;
/// Streams on one HTTP/2 connection before the next is opened; most servers allow 100.
const STREAMS_MAX: usize = 100;
/// The longest idle time of a connection that takes a request which can't be sent twice: an
/// endpoint may close an older one at the same moment, and nobody could tell whether it acted.
const UNREPEATABLE_IDLE_MAX: Duration = Duration::from_secs(2);

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

#[derive(Default)]
struct Pool {
    /// By the endpoint's id.
    slots: HashMap<u64, Slot, BuildHasherDefault<KeyHasher>>,
    has_sweeper: bool,
}

/// Fibonacci hashing (Knuth, *The Art of Computer Programming*, 6.4): nobody outside chooses these
/// keys, so they need no defense.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// One endpoint's connections on this thread.
#[derive(Default)]
struct Slot {
    idle: Vec<Idle>,
    shared: Vec<Shared>,
    open: Arc<AtomicUsize>,
    idle_timeout: Duration,
}

struct Idle {
    sender: http1::SendRequest<RequestBody>,
    counted: Counted,
    since: Instant,
}

struct Shared {
    sender: http2::SendRequest<RequestBody>,
    _counted: Counted,
    streams: Arc<AtomicUsize>,
    used: Instant,
}

/// An open connection as metrics see it, until it is dropped.
struct Counted {
    upstream: Arc<Upstream>,
    is_idle: bool,
    /// Ends an HTTP/1.1 connection that is dropped: by itself it would go on writing a request
    /// whose endpoint does not read, and hold the client's body.
    task: Option<AbortHandle>,
}

impl Counted {
    fn idle(mut self) -> Self {
        self.is_idle = true;
        self.upstream.metrics.connection_idled();
        self
    }

    fn used(mut self) -> Self {
        self.is_idle = false;
        self.upstream.metrics.connection_reused();
        self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        if self.is_idle {
            self.upstream.metrics.connection_closed_idle();
        } else {
            self.upstream.metrics.connection_closed_in_use();
        }
    }
}

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
    sender: Sender,
    endpoint: usize,
    /// Whether the connection has served before, and so may have died while it idled.
    pub(crate) is_reused: bool,
    /// None on a shared connection, which the pool counts.
    counted: Option<Counted>,
    _stream: Option<Stream>,
}

/// One stream of a shared connection.
struct Stream(Arc<AtomicUsize>);

impl Stream {
    fn begin(streams: &Arc<AtomicUsize>) -> Self {
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
    /// It was sent at least in part.
    Sent(hyper::Error),
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
        let kept = POOL.with_borrow_mut(|pool| pool.take(upstream, endpoint, is_repeatable));
        match kept {
            Some(lease) => Ok(lease),
            // Boxed: it is rare, and would make every exchange as large as itself.
            None => Box::pin(Self::open(upstream, endpoint)).await,
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
        let count = POOL.with_borrow_mut(|pool| Arc::clone(&pool.slot(upstream, endpoint).open));
        let max = upstream.settings.connections_max.get();
        let place = Open::reserve(&count, max).ok_or(ConnectError::Exhausted)?;
        let address = upstream.settings.endpoints.get(endpoint).ok_or(ConnectError::Exhausted)?;
        let started = Instant::now();
        let (sender, task) = connect(upstream, address, place).await?;
        upstream.metrics.connection_opened(started.elapsed());
        let counted = Counted { upstream: Arc::clone(upstream), is_idle: false, task };
        let (counted, stream) = match &sender {
            Sender::H1(_) => (Some(counted), None),
            Sender::H2(sender) => {
                let shared = sender.clone();
                let share = |pool: &mut Pool| pool.share(endpoint, shared, counted);
                (None, Some(POOL.with_borrow_mut(share)))
            }
        };
        Ok(Self { sender, endpoint, is_reused: false, counted, _stream: stream })
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
            None => SendError::Sent(failed.into_error()),
        })
    }

    /// Lets the connection become what it is upgraded to.
    pub(crate) fn hand_over(mut self) {
        if let Some(counted) = &mut self.counted {
            counted.task = None;
        }
    }

    /// Keeps the connection for the next request. To be called once the answer has been read.
    pub(crate) fn give_back(self) {
        // An HTTP/2 connection never left the pool.
        if let (Sender::H1(sender), Some(counted)) = (self.sender, self.counted)
            && !sender.is_closed()
        {
            POOL.with_borrow_mut(|pool| pool.keep(self.endpoint, sender, counted));
        }
    }
}

impl Pool {
    fn slot(&mut self, upstream: &Upstream, endpoint: usize) -> &mut Slot {
        if !self.has_sweeper {
            self.has_sweeper = true;
            tokio::spawn(sweep_forever());
        }
        let idle_timeout = upstream.settings.idle_timeout;
        let slot = self.slots.entry(upstream.endpoint_id(endpoint)).or_default();
        slot.idle_timeout = idle_timeout;
        slot
    }

    fn take(
        &mut self,
        upstream: &Arc<Upstream>,
        endpoint: usize,
        is_repeatable: bool,
    ) -> Option<Lease> {
        let slot = self.slot(upstream, endpoint);
        let usable = |one: &&mut Shared| {
            !one.sender.is_closed() && one.streams.load(Ordering::Relaxed) < STREAMS_MAX
        };
        if let Some(shared) = slot.shared.iter_mut().find(usable) {
            shared.used = Instant::now();
            upstream.metrics.connection_shared();
            let stream = Some(Stream::begin(&shared.streams));
            let sender = Sender::H2(shared.sender.clone());
            let counted = None;
            return Some(Lease { sender, endpoint, is_reused: true, counted, _stream: stream });
        }
        // The latest first: the rest may idle out. One that has just been given back may still be
        // busy with its last answer, so a ready one among the latest goes before.
        let is_ready = |idle: &Idle| idle.sender.is_ready();
        if let Some(behind) = slot.idle.iter().rev().take(READY_LOOKS).position(is_ready)
            && behind > 0
        {
            let last = slot.idle.len() - 1;
            slot.idle.swap(last, last - behind);
        }
        while let Some(idle) = slot.idle.pop() {
            if idle.sender.is_closed() {
                continue;
            }
            if !is_repeatable && idle.since.elapsed() > UNREPEATABLE_IDLE_MAX {
                slot.idle.push(idle);
                return None;
            }
            let sender = Sender::H1(idle.sender);
            let counted = Some(idle.counted.used());
            return Some(Lease { sender, endpoint, is_reused: true, counted, _stream: None });
        }
        None
    }

    fn keep(&mut self, endpoint: usize, sender: http1::SendRequest<RequestBody>, counted: Counted) {
        let upstream = Arc::clone(&counted.upstream);
        let slot = self.slot(&upstream, endpoint);
        if slot.idle.len() < upstream.settings.idle_connections_max {
            slot.idle.push(Idle { sender, counted: counted.idle(), since: Instant::now() });
        }
    }

    fn share(
        &mut self,
        endpoint: usize,
        sender: http2::SendRequest<RequestBody>,
        counted: Counted,
    ) -> Stream {
        let streams = Arc::default();
        let stream = Stream::begin(&streams);
        let upstream = Arc::clone(&counted.upstream);
        let shared = Shared { sender, _counted: counted, streams, used: Instant::now() };
        self.slot(&upstream, endpoint).shared.push(shared);
        stream
    }

    fn sweep(&mut self) {
        for slot in self.slots.values_mut() {
            let limit = slot.idle_timeout;
            slot.idle.retain(|one| !one.sender.is_closed() && one.since.elapsed() < limit);
            slot.shared.retain(|one| {
                let in_use = one.streams.load(Ordering::Relaxed) > 0;
                !one.sender.is_closed() && (in_use || one.used.elapsed() < limit)
            });
        }
        self.slots.retain(|_, slot| {
            let kept = !slot.idle.is_empty() || !slot.shared.is_empty();
            kept || slot.open.load(Ordering::Relaxed) > 0
        });
    }
}

async fn sweep_forever() {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        POOL.with_borrow_mut(Pool::sweep);
    }
}
