//! What the kernel accepted before the edge stopped to: served, not reset.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use pingora_core::{
    listeners::{PreTlsProcess as _, tls::Acceptor},
    protocols::l4::stream::Stream as L4Stream,
};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    connection,
    edge::Edge,
    server::{Bound, Handshakes, tls_settings},
    tls::Certificates,
};

/// Connections that are taken from one socket's backlog at the end.
const BACKLOG_MAX: usize = 4_096;

/// Second handles of the listening sockets, which keep them open until their backlog is empty.
pub(super) struct Backlog {
    edge: Arc<Edge>,
    plain: Vec<TcpListener>,
    tls: Vec<TcpListener>,
    certificates: Option<Arc<Certificates>>,
}

impl Backlog {
    pub(super) fn new(edge: &Arc<Edge>, bound: &Bound) -> Self {
        // Without a second handle the backlog is lost, as it is with every other server.
        let twin = |socket: &super::Socket| socket.listener.try_clone().ok();
        Self {
            edge: Arc::clone(edge),
            plain: bound.plain.iter().filter_map(twin).collect(),
            tls: bound.tls.iter().filter_map(twin).collect(),
            certificates: bound.certificates.clone(),
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
        let Some(tls) = self.certificates.take().and_then(|one| tls_settings(&one)) else { return };
        let acceptor = Arc::new(tls.build());
        for listener in self.tls.drain(..) {
            for (stream, peer) in waiting(&listener) {
                let (edge, acceptor) = (Arc::clone(&self.edge), Arc::clone(&acceptor));
                tokio::spawn(serve_tls(edge, acceptor, stream, peer));
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

async fn serve_tls(
    edge: Arc<Edge>,
    acceptor: Arc<Acceptor>,
    mut stream: L4Stream,
    peer: SocketAddr,
) {
    if Handshakes(Arc::clone(&edge)).process(&mut stream).await.is_err() {
        return;
    }
    let handshake = timeout(edge.limits.header_timeout, acceptor.tls_handshake(stream)).await;
    if let Ok(Ok(stream)) = handshake {
        connection::serve_tls(edge, Box::new(stream), peer).await;
    }
}
