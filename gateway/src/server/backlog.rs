//! What the kernel accepted before the edge stopped to: served, not reset.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use pingora_core::{listeners::tls::Acceptor, protocols::l4::stream::Stream as L4Stream};
use tokio::net::TcpStream;

use crate::{
    connection,
    edge::Edge,
    server::{Bound, handshake},
};

/// Connections that are taken from one socket's backlog at the end.
const BACKLOG_MAX: usize = 4_096;

/// Second handles of the listening sockets, which keep them open until their backlog is empty.
pub(super) struct Backlog {
    edge: Arc<Edge>,
    plain: Vec<TcpListener>,
    tls: Vec<TcpListener>,
    acceptor: Option<Arc<Acceptor>>,
}

impl Backlog {
    pub(super) fn new(edge: &Arc<Edge>, bound: &Bound, acceptor: Option<Arc<Acceptor>>) -> Self {
        // Without a second handle the backlog is lost, as it is with every other server.
        let twin = |socket: &super::Socket| socket.listener.try_clone().ok();
        Self {
            edge: Arc::clone(edge),
            plain: bound.plain.iter().filter_map(twin).collect(),
            tls: bound.tls.iter().filter_map(twin).collect(),
            acceptor,
        }
    }

    /// Serves what waits and closes the sockets. To be called when nobody else accepts.
    pub(super) fn serve(&mut self) {
        for listener in self.plain.drain(..) {
            for (stream, peer) in waiting(&listener) {
                let edge = Arc::clone(&self.edge);
                tokio::spawn(connection::serve_plain(edge, Box::new(stream), peer));
            }
        }
        let Some(acceptor) = &self.acceptor else { return };
        for listener in self.tls.drain(..) {
            for (stream, peer) in waiting(&listener) {
                let (edge, acceptor) = (Arc::clone(&self.edge), Arc::clone(acceptor));
                tokio::spawn(handshake::serve(edge, acceptor, stream, peer));
            }
        }
    }
}

fn waiting(listener: &TcpListener) -> impl Iterator<Item = (L4Stream, SocketAddr)> {
    // The sockets do not block, so the end of the backlog is an error like any other.
    let accepted = (0..BACKLOG_MAX).map_while(|_| listener.accept().ok());
    accepted.filter_map(|(stream, peer)| {
        stream.set_nonblocking(true).ok()?;
        stream.set_nodelay(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?.into(), peer))
    })
}
