//! TLS to endpoints: who is trusted, which name is expected, and what the edge shows of itself.

use std::{fmt, io, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    settings::{Address, Certificate, Endpoint, Protocol, Trust, Upstream, UpstreamTls},
    tls::{CertificateError, machine_roots},
    upstream::ConnectError,
};

/// The names of protocols in ALPN (RFC 7301, 6).
const ALPN_H1: &[u8] = b"http/1.1";
const ALPN_H2: &[u8] = b"h2";

/// Why an upstream can't be spoken to by TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamTlsError {
    /// The machine's own trust store can't be used.
    #[error("the certificates that this machine trusts can't be read: {0}")]
    Machine(#[source] io::Error),
    /// The authorities can't be used.
    #[error("no authority's certificate in PEM")]
    Authorities,
    /// The edge's own certificate or key can't be used.
    #[error(transparent)]
    Client(#[from] CertificateError),
    /// The provider lacks what the certificate or TLS itself needs.
    #[error("can't be used for TLS: {0}")]
    Unusable(#[source] rustls::Error),
    /// There is no name to expect of an endpoint.
    #[error("endpoint {0} has no host: the name to expect has to be given")]
    NoName(Endpoint),
}

/// Speaks TLS to the endpoints of one upstream.
pub(super) struct Tls {
    connector: TlsConnector,
    /// For each endpoint the name that its certificate must be for.
    names: Vec<ServerName<'static>>,
    /// What endpoints must agree to.
    protocol: Protocol,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Whether an upstream's TLS can be used; without TLS it can.
///
/// # Errors
///
/// [`UpstreamTlsError`].
pub fn check(settings: &Upstream) -> Result<(), UpstreamTlsError> {
    Tls::of(settings).map(drop)
}

/// Whether certificates of authorities can be used.
///
/// # Errors
///
/// [`UpstreamTlsError`].
pub fn check_authorities(pem: &[u8]) -> Result<(), UpstreamTlsError> {
    authorities(pem).map(drop)
}

impl Tls {
    /// Reads what is trusted and shown; none without TLS. May read the machine's trust store, once
    /// a process: to be called beside the data path.
    pub(super) fn of(upstream: &Upstream) -> Result<Option<Self>, UpstreamTlsError> {
        let Some(settings) = &upstream.tls else { return Ok(None) };
        let mut config = config(settings)?;
        config.alpn_protocols = match upstream.protocol {
            Protocol::H1 => vec![ALPN_H1.to_vec()],
            Protocol::H2 | Protocol::H2c => vec![ALPN_H2.to_vec()],
        };
        // Addresses that a name has led to are that name's.
        let given = settings.server_name.as_deref().or(upstream.name());
        let name = |endpoint| name_of(given, endpoint);
        Ok(Some(Self {
            connector: TlsConnector::from(Arc::new(config)),
            names: upstream.endpoints.iter().map(name).collect::<Result<_, _>>()?,
            protocol: upstream.protocol,
        }))
    }

    /// Shakes hands with an endpoint. Whoever calls bounds the time.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Untrusted`] for a certificate that is not good, [`ConnectError::Tls`] for
    /// whatever else keeps the two from one another.
    pub(super) async fn shake<S>(
        &self,
        endpoint: usize,
        stream: S,
    ) -> Result<TlsStream<S>, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.names.get(endpoint).cloned().ok_or(ConnectError::Exhausted)?;
        let stream = self.connector.connect(name, stream).await.map_err(why)?;
        let agreed = stream.get_ref().1.alpn_protocol();
        // Who speaks HTTP/1.1 alone may know nothing of ALPN.
        if self.protocol != Protocol::H1 && agreed != Some(ALPN_H2) {
            return Err(ConnectError::Tls(io::Error::other("the endpoint does not speak HTTP/2")));
        }
        Ok(stream)
    }
}

fn why(error: io::Error) -> ConnectError {
    match rustls_error(&error) {
        Some(rustls::Error::InvalidCertificate(_)) => ConnectError::Untrusted(error),
        // None: the connection broke off in the middle of the handshake.
        _ => ConnectError::Tls(error),
    }
}

/// What TLS says is wrong, if it is TLS that failed.
fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether an exchange failed because the endpoint broke the TLS connection off, as it does when it
/// wants to see a certificate: by TLS 1.3 it tells only after the handshake.
pub(crate) fn is_tls(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    let mut source = error.source();
    while let Some(error) = source {
        let of_h2 = || error.downcast_ref::<h2::Error>().and_then(h2::Error::get_io);
        let io = error.downcast_ref::<io::Error>().or_else(of_h2);
        if io.is_some_and(|io| rustls_error(io).is_some()) {
            return true;
        }
        source = error.source();
    }
    false
}

fn name_of(
    given: Option<&str>,
    endpoint: &Endpoint,
) -> Result<ServerName<'static>, UpstreamTlsError> {
    let none = || UpstreamTlsError::NoName(endpoint.clone());
    let host = match (given, &endpoint.address) {
        (Some(name), _) => name,
        (None, Address::Tcp(address)) => address.rsplit_once(':').ok_or_else(none)?.0,
        (None, Address::Unix(_)) => return Err(none()),
    };
    // An IPv6 address has brackets before a port, and none elsewhere.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(|_| none())
}

/// What a client trusts and shows.
///
/// # Errors
///
/// [`UpstreamTlsError`].
pub(crate) fn config(settings: &UpstreamTls) -> Result<ClientConfig, UpstreamTlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(UpstreamTlsError::Unusable)?;
    let builder = match &settings.trust {
        Trust::Machine => {
            let roots = machine_roots().map_err(UpstreamTlsError::Machine)?;
            builder.with_root_certificates(roots)
        }
        Trust::Authorities(pem) => builder.with_root_certificates(authorities(pem)?),
        Trust::Anybody => {
            let anybody = Arc::new(Anybody(provider));
            builder.dangerous().with_custom_certificate_verifier(anybody)
        }
    };
    match &settings.client {
        None => Ok(builder.with_no_client_auth()),
        Some(Certificate { cert_pem, key_pem, .. }) => {
            let chain = CertificateDer::pem_slice_iter(cert_pem)
                .collect::<Result<Vec<_>, _>>()
                .ok()
                .filter(|chain| !chain.is_empty())
                .ok_or(CertificateError::NoCertificate)?;
            let key =
                PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| CertificateError::NoKey)?;
            let config = builder.with_client_auth_cert(chain, key);
            config.map_err(|error| UpstreamTlsError::Client(CertificateError::Mismatch(error)))
        }
    }
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, UpstreamTlsError> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(pem) {
        let authority = authority.map_err(|_| UpstreamTlsError::Authorities)?;
        roots.add(authority).map_err(UpstreamTlsError::Unusable)?;
    }
    if roots.is_empty() { Err(UpstreamTlsError::Authorities) } else { Ok(roots) }
}

/// Takes any certificate; the endpoint must only hold its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
