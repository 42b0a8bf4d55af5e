//! Listening sockets on their way from one process to the next.
//!
//! A socket that both processes hold has one queue of connections, from which either may accept;
//! none is lost as long as one of them holds it.

use std::{
    fmt,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::watch;

/// What a listening socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Devices call there, in plain.
    Plain,
    /// Devices call there, by TLS.
    Tls,
    /// Operators ask there.
    Admin,
}

/// A listening socket that another process holds too.
#[derive(Debug)]
pub struct Shared {
    /// What it is for.
    pub kind: Kind,
    /// The address that was asked for, maybe with port 0.
    pub wanted: SocketAddr,
    /// The socket.
    pub listener: TcpListener,
}

impl Shared {
    /// A second handle of the socket. None when the process has no more file descriptors.
    fn twin(&self) -> Option<Self> {
        let listener = self.listener.try_clone().ok()?;
        Some(Self { kind: self.kind, wanted: self.wanted, listener })
    }
}

/// Sockets that another process gave, until they are taken by whoever listens.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Shared>);

impl Inherited {
    /// Begins with what was received.
    pub const fn new(sockets: Vec<Shared>) -> Self {
        Self(sockets)
    }

    /// The socket that listens where this one should: one that was asked for in the same words, or
    /// one with just that address, whatever it was for.
    pub fn take(&mut self, kind: Kind, wanted: SocketAddr) -> Option<TcpListener> {
        let same = |one: &Shared| one.kind == kind && one.wanted == wanted;
        let there = |one: &Shared| one.listener.local_addr().is_ok_and(|at| at == wanted);
        let found = self.0.iter().position(same).or_else(|| self.0.iter().position(there))?;
        Some(self.0.swap_remove(found).listener)
    }

    /// Addresses that nobody took.
    pub fn left(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|one| one.listener.local_addr().ok()).collect()
    }
}

/// Gives an edge's sockets to the process that takes over, and ends the edge then.
#[derive(Clone)]
pub struct HandOver {
    inner: Arc<Inner>,
}

struct Inner {
    /// Second handles of the sockets, which keep them open until their backlog is empty. None left:
    /// the edge does not listen any more.
    twins: Mutex<Vec<Shared>>,
    /// The addresses that stay with this process, once the others are another's.
    over: watch::Sender<Option<Arc<[SocketAddr]>>>,
}

impl fmt::Debug for HandOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandOver").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}

impl Default for HandOver {
    fn default() -> Self {
        let (twins, over) = (Mutex::default(), watch::Sender::new(None));
        Self { inner: Arc::new(Inner { twins, over }) }
    }
}

impl HandOver {
    /// Notes a socket that is to be given, too.
    pub fn add(&self, kind: Kind, wanted: SocketAddr, listener: &TcpListener) {
        // Without a second handle the socket can't be given, and its backlog is lost at the end.
        let twin = listener.try_clone().ok().map(|listener| Shared { kind, wanted, listener });
        self.inner.twins.lock().extend(twin);
    }

    /// Handles of all sockets for another process. None once the edge does not listen any more.
    pub fn sockets(&self) -> Option<Vec<Shared>> {
        let twins = self.inner.twins.lock();
        let all: Vec<_> = twins.iter().filter_map(Shared::twin).collect();
        (!all.is_empty()).then_some(all)
    }

    /// Ends the edge as SIGTERM does, but stops accepting at once: another process accepts, except
    /// for what waits at `left`, where nobody else listens.
    pub fn complete(&self, left: Vec<SocketAddr>) {
        self.inner.over.send_replace(Some(left.into()));
    }

    /// Whether another process has taken over.
    pub fn is_over(&self) -> bool {
        self.inner.over.borrow().is_some()
    }

    /// Completes once another process has taken over.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn over(&self) {
        let mut over = self.inner.over.subscribe();
        // The sender lives as long as this.
        drop(over.wait_for(Option::is_some).await);
    }

    /// The sockets whose backlog is this process's to serve, for the last time.
    pub(super) fn close(&self) -> Vec<Shared> {
        let mut twins = std::mem::take(&mut *self.inner.twins.lock());
        if let Some(left) = &*self.inner.over.borrow() {
            let is_left =
                |one: &Shared| one.listener.local_addr().is_ok_and(|at| left.contains(&at));
            twins.retain(is_left);
        }
        twins
    }
}

#[cfg(test)]
mod tests;
