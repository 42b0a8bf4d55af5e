//! From a TLS client's first byte to its connection, in the time that a request's head may take:
//! pingora's own acceptor waits for a minute.

use std::{any::Any, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use pingora_core::{
    listeners::{
        ALPN, TlsAccept,
        tls::{Acceptor, TlsSettings},
    },
    protocols::{l4::stream::Stream as L4Stream, tls::TlsRef},
};
use tokio::time::timeout;

use crate::{
    connection,
    edge::Edge,
    identity::{ClientCertificate, Clients},
    proxied,
    tls::Shown,
};

/// What shakes hands for these certificates, and with these clients where not with all.
pub(super) fn acceptor(
    certificates: &Arc<Shown>,
    clients: Option<&Clients>,
) -> Option<Arc<Acceptor>> {
    // The only constructor that takes no files; it can't fail.
    let mut tls = TlsSettings::with_callbacks(Box::new(ReadCertificate)).ok()?;
    let resolver: Arc<Shown> = Arc::clone(certificates);
    tls.set_cert_resolver(resolver);
    if let Some(clients) = clients {
        tls.set_client_cert_verifier(clients.verifier());
    }
    tls.set_alpn(ALPN::H2H1);
    Some(Arc::new(tls.build()))
}

/// Reads a client's certificate once, for all requests of its connection.
struct ReadCertificate;

#[async_trait]
impl TlsAccept for ReadCertificate {
    async fn handshake_complete_callback(
        &self,
        tls: &TlsRef,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let certificate = ClientCertificate::read(tls.peer_certificate_der()?)?;
        Some(Arc::new(Arc::new(certificate)))
    }
}

/// Gives a connection its place before the handshake costs anything, shakes hands, and serves it
/// to its end.
pub(super) async fn serve(
    edge: Arc<Edge>,
    acceptor: Arc<Acceptor>,
    mut stream: L4Stream,
    peer: SocketAddr,
) {
    let Some(peer) = proxied::announced(&edge, &mut stream, peer).await else { return };
    let Ok(_place) = connection::enter(&edge, peer) else { return };
    // Counted as it begins, since one that fails gets no further.
    edge.metrics.tls_began();
    let handshake =
        timeout(edge.terms().limits.header_timeout, acceptor.tls_handshake(stream)).await;
    if let Ok(Ok(stream)) = handshake {
        connection::serve_tls(edge, Box::new(stream), peer).await;
    }
}
