//! A certificate authority of the test's own.

use std::{net::SocketAddr, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::within;

/// Signs certificates, and trusts what it has signed.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    root_pem: String,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The chain.
    pub cert_pem: String,
    /// The private key.
    pub key_pem: String,
}

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "headgate tests");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        Self { root: root.der().clone(), root_pem: root.pem(), issuer: Issuer::new(params, key) }
    }
}

impl Authority {
    /// Signs a certificate for a name.
    pub fn issue(&self, name: &str) -> Issued {
        self.sign(&CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    /// Signs a certificate for a name that ended long ago.
    pub fn issue_expired(&self, name: &str) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Issued { cert_pem: cert.pem(), key_pem: key.serialize_pem() }
    }

    /// Its own certificate, for whoever should trust it.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Signs a client's certificate with this common name, and a URI that ends with it.
    pub fn issue_client(&self, name: &str) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationalUnitName, "devices");
        let uri = format!("urn:device:{name}").try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        self.sign(&params)
    }

    /// Shakes hands with a name over a connection that is open.
    pub async fn connect_over(&self, tcp: TcpStream, name: &str) -> TlsStream<TcpStream> {
        let config = self.client(&["http/1.1"], aws_lc_rs::default_provider());
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        within("TLS handshake", connecting).await.unwrap()
    }

    /// Opens a TLS connection as a client that shows a certificate.
    ///
    /// # Errors
    ///
    /// What ended the handshake. With TLS 1.3 a client that is refused learns it with its first
    /// read.
    pub async fn connect_as(
        &self,
        (address, name): (SocketAddr, &str),
        shown: &Issued,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let chain = CertificateDer::pem_slice_iter(shown.cert_pem.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(shown.key_pem.as_bytes()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        within("TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, tcp)).await
    }

    /// What a server needs that shows a certificate and speaks these protocols. With an authority of
    /// clients it refuses those without a certificate of that one.
    pub fn server(issued: &Issued, alpn: &[&str], clients: Option<&Self>) -> ServerConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.root.clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = CertificateDer::pem_slice_iter(issued.cert_pem.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        let chain = chain.collect::<Result<_, _>>().unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// What a client needs that trusts this authority alone and offers these protocols.
    pub fn client(&self, alpn: &[&str], provider: CryptoProvider) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// Opens a TLS connection to a name at an address.
    pub async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
        alpn: &[&str],
    ) -> TlsStream<TcpStream> {
        let config = self.client(alpn, aws_lc_rs::default_provider());
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        within("TLS handshake", connecting).await.unwrap()
    }
}
