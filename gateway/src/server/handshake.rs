//! From a TLS client's first byte to its connection, in the time that a request's head may take:
//! pingora's own acceptor waits for a minute.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use pingora_core::{
    listeners::{
        ALPN, TlsAccept,
        tls::{Acceptor, TlsSettings},
    },
    protocols::l4::stream::Stream as L4Stream,
};
use tokio::time::timeout;

use crate::{connection, edge::Edge, tls::Shown};

/// What shakes hands for these certificates.
pub(super) fn acceptor(certificates: &Arc<Shown>) -> Option<Arc<Acceptor>> {
    // The only constructor that takes no files; it can't fail.
    let mut tls = TlsSettings::with_callbacks(Box::new(NoCallbacks)).ok()?;
    let resolver: Arc<Shown> = Arc::clone(certificates);
    tls.set_cert_resolver(resolver);
    tls.set_alpn(ALPN::H2H1);
    Some(Arc::new(tls.build()))
}

struct NoCallbacks;

#[async_trait]
impl TlsAccept for NoCallbacks {}

/// Gives a connection its place before the handshake costs anything, shakes hands, and serves it
/// to its end.
pub(super) async fn serve(
    edge: Arc<Edge>,
    acceptor: Arc<Acceptor>,
    stream: L4Stream,
    peer: SocketAddr,
) {
    let Ok(_place) = connection::enter(&edge, peer) else { return };
    // Counted as it begins, since one that fails gets no further.
    edge.metrics.tls_began();
    let handshake =
        timeout(edge.terms().limits.header_timeout, acceptor.tls_handshake(stream)).await;
    if let Ok(Ok(stream)) = handshake {
        connection::serve_tls(edge, Box::new(stream), peer).await;
    }
}
