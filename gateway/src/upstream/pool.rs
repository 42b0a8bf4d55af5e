//! Connections kept for the next request, per thread: no lock, and no request changes its thread.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::{http1, http2};
use tokio::{task::AbortHandle, time::Instant};

use crate::{
    body::RequestBody,
    upstream::{
        Upstream,
        connect::STREAMS_MAX,
        lease::{Lease, Sender, Stream},
        opening::{Opener, Opening, Waiting},
        turns::Turns,
    },
};

/// How often a thread looks for connections that idled too long or were closed by their endpoint.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Idle connections that are looked at for one that is ready.
const READY_LOOKS: usize = 8;
/// The longest idle time of a connection that takes a request which can't be sent twice: an
/// endpoint may close an older one at the same moment, and nobody could tell whether it acted.
const UNREPEATABLE_IDLE_MAX: Duration = Duration::from_secs(2);

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Calls with this thread's connections.
pub(super) fn with_pool<T>(with: impl FnOnce(&mut Pool) -> T) -> T {
    POOL.with_borrow_mut(with)
}

/// All connections of one thread.
#[derive(Default)]
pub(super) struct Pool {
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
pub(super) struct Slot {
    idle: Vec<Idle>,
    shared: Vec<Shared>,
    /// The connection that is being opened for several.
    opening: Weak<Opening>,
    pub(super) turns: Arc<Turns<Idle>>,
    idle_timeout: Duration,
}

/// A connection that waits for its next request.
pub(super) struct Idle {
    sender: http1::SendRequest<RequestBody>,
    counted: Counted,
    since: Instant,
}

impl Idle {
    /// Takes it for a request.
    pub(super) fn lease(self, endpoint: usize) -> Lease {
        Lease {
            sender: Sender::H1(self.sender),
            endpoint,
            is_reused: true,
            has_waited: false,
            counted: Some(self.counted.used()),
            _stream: None,
        }
    }
}

struct Shared {
    sender: http2::SendRequest<RequestBody>,
    _counted: Counted,
    streams: Arc<AtomicUsize>,
    /// Streams that the endpoint takes at once.
    streams_max: Arc<AtomicUsize>,
    used: Instant,
}

/// An open connection as metrics see it, until it is dropped.
pub(super) struct Counted {
    upstream: Arc<Upstream>,
    is_idle: bool,
    /// Ends an HTTP/1.1 connection that is dropped: by itself it would go on writing a request
    /// whose endpoint does not read, and hold the client's body.
    task: Option<AbortHandle>,
}

impl Counted {
    pub(super) fn new(upstream: &Arc<Upstream>, task: Option<AbortHandle>) -> Self {
        Self { upstream: Arc::clone(upstream), is_idle: false, task }
    }

    /// Lets the connection go on by itself.
    pub(super) fn let_go(&mut self) {
        self.task = None;
    }

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

/// What a request without a connection does.
pub(super) enum Next {
    Take(Lease),
    Wait(Waiting),
    Open(Opener),
}

impl Slot {
    /// A stream of a shared connection that has room.
    fn stream(&mut self, upstream: &Upstream, endpoint: usize) -> Option<Lease> {
        let usable = |one: &&mut Shared| {
            let streams_max = one.streams_max.load(Ordering::Relaxed);
            !one.sender.is_closed() && one.streams.load(Ordering::Relaxed) < streams_max
        };
        let shared = self.shared.iter_mut().find(usable)?;
        shared.used = Instant::now();
        upstream.metrics.connection_shared();
        let stream = Some(Stream::begin(&shared.streams));
        let sender = Sender::H2(shared.sender.clone());
        Some(Lease {
            sender,
            endpoint,
            is_reused: true,
            has_waited: false,
            counted: None,
            _stream: stream,
        })
    }
}

impl Pool {
    pub(super) fn slot(&mut self, upstream: &Upstream, endpoint: usize) -> &mut Slot {
        if !self.has_sweeper {
            self.has_sweeper = true;
            tokio::spawn(sweep_forever());
        }
        let idle_timeout = upstream.settings.idle_timeout;
        let slot = self.slots.entry(upstream.endpoint_id(endpoint)).or_default();
        slot.idle_timeout = idle_timeout;
        slot
    }

    pub(super) fn take(
        &mut self,
        upstream: &Arc<Upstream>,
        endpoint: usize,
        is_repeatable: bool,
    ) -> Option<Lease> {
        let slot = self.slot(upstream, endpoint);
        if let Some(lease) = slot.stream(upstream, endpoint) {
            return Some(lease);
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
            return Some(idle.lease(endpoint));
        }
        None
    }

    /// What a request does that may share a connection.
    pub(super) fn next(&mut self, upstream: &Arc<Upstream>, endpoint: usize) -> Next {
        let slot = self.slot(upstream, endpoint);
        if let Some(lease) = slot.stream(upstream, endpoint) {
            return Next::Take(lease);
        }
        let opening = slot.opening.upgrade();
        // The one that opens it needs a stream too.
        if let Some(waiting) = opening.and_then(|opening| opening.join(STREAMS_MAX - 1)) {
            return Next::Wait(waiting);
        }
        let opening = Arc::default();
        slot.opening = Arc::downgrade(&opening);
        Next::Open(Opener(opening))
    }

    pub(super) fn keep(
        &mut self,
        endpoint: usize,
        sender: http1::SendRequest<RequestBody>,
        counted: Counted,
    ) {
        let upstream = Arc::clone(&counted.upstream);
        let (slot, max) = (self.slot(&upstream, endpoint), upstream.settings.idle_connections_max);
        if max == 0 {
            return;
        }
        let idle = Idle { sender, counted: counted.idle(), since: Instant::now() };
        slot.idle.extend(slot.turns.offer(idle).filter(|_| slot.idle.len() < max));
    }

    pub(super) fn share(
        &mut self,
        endpoint: usize,
        (sender, streams_max): (http2::SendRequest<RequestBody>, Arc<AtomicUsize>),
        counted: Counted,
    ) -> Stream {
        let streams = Arc::default();
        let stream = Stream::begin(&streams);
        let upstream = Arc::clone(&counted.upstream);
        let used = Instant::now();
        let shared = Shared { sender, _counted: counted, streams, streams_max, used };
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
            kept || slot.turns.places.load(Ordering::Relaxed) > 0
        });
    }
}

async fn sweep_forever() {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        POOL.with_borrow_mut(Pool::sweep);
    }
}
