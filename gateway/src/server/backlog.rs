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
    server::{
        HandOver,
        hand_over::{Kind, Shared},
        handshake,
    },
};

/// Connections that are taken from one socket's backlog at the end.
const BACKLOG_MAX: usize = 4_096;

/// Serves at the end what waits for this process alone.
pub(super) struct Backlog {
    edge: Arc<Edge>,
    hand_over: HandOver,
    acceptor: Option<Arc<Acceptor>>,
}

impl Backlog {
    pub(super) fn new(
        edge: &Arc<Edge>,
        hand_over: HandOver,
        acceptor: Option<Arc<Acceptor>>,
    ) -> Self {
        Self { edge: Arc::clone(edge), hand_over, acceptor }
    }

    /// Serves what waits and closes the sockets. To be called when nobody else accepts.
    pub(super) fn serve(&mut self) {
        for Shared { kind, listener, .. } in self.hand_over.close() {
            for (stream, peer) in waiting(&listener) {
                let edge = Arc::clone(&self.edge);
                match (kind, &self.acceptor) {
                    (Kind::Plain, _) => {
                        tokio::spawn(connection::serve_plain(edge, Box::new(stream), peer));
                    }
                    (Kind::Tls, Some(acceptor)) => {
                        let acceptor = Arc::clone(acceptor);
                        tokio::spawn(handshake::serve(edge, acceptor, stream, peer));
                    }
                    // Operators' connections are the admin server's.
                    (Kind::Tls, None) | (Kind::Admin, _) => break,
                }
            }
        }
    }
}

fn waiting(listener: &TcpListener) -> impl Iterator<Item = (L4Stream, SocketAddr)> {
    // A signal may come before anybody has accepted, and made the socket one that does not block;
    // then the end of the backlog is an error like any other.
    let backlog = if listener.set_nonblocking(true).is_ok() { BACKLOG_MAX } else { 0 };
    let accepted = (0..backlog).map_while(|_| listener.accept().ok());
    accepted.filter_map(|(stream, peer)| {
        stream.set_nonblocking(true).ok()?;
        stream.set_nodelay(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?.into(), peer))
    })
}
