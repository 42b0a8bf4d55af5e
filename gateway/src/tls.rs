//! Certificates by server name.

use std::{
    fmt, io,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwapOption;
use headgate_types::UnixTime;
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::settings;

pub use crate::upstream::{UpstreamTlsError, check_authorities, check_tls as check_upstream};

/// The certificates that this machine trusts, because companies sign their own; read once.
///
/// Blocks: not for a thread that serves.
///
/// # Errors
///
/// Whatever keeps them from being read, and a store without any that can be used. Neither is
/// remembered.
pub(crate) fn machine_roots() -> io::Result<Arc<RootCertStore>> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }
    let mut roots = RootCertStore::empty();
    // Stores hold some certificates that no verifier can use; the others do.
    let (added_count, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs()?);
    if added_count == 0 {
        return Err(io::Error::other("the machine's store is empty"));
    }
    Ok(Arc::clone(ROOTS.get_or_init(|| Arc::new(roots))))
}

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The chain's file holds no certificate in PEM.
    #[error("no certificate in PEM")]
    NoCertificate,
    /// The key's file holds no private key in PEM.
    #[error("no private key in PEM")]
    NoKey,
    /// The key is of no kind that TLS uses, or does not belong to the certificate.
    #[error("the key does not fit the certificate: {0}")]
    Mismatch(rustls::Error),
    /// The leaf is no X.509 certificate for a server.
    #[error("the certificate can't be read: {0}")]
    Unreadable(rustls::Error),
}

/// Installs the process's one cryptography provider.
///
/// pingora would install ring, and the first one wins: to be called before anything else.
pub fn install_provider() {
    // Already installed by an earlier call: nothing to do.
    let _installed_before = aws_lc_rs::default_provider().install_default();
}

/// One certificate, checked.
struct Checked {
    key: Arc<CertifiedKey>,
    names: ParsedCertificateOf,
}

/// The leaf, kept to be asked for its names.
struct ParsedCertificateOf(CertificateDer<'static>);

impl ParsedCertificateOf {
    fn is_for(&self, name: &ServerName<'_>) -> bool {
        ParsedCertificate::try_from(&self.0)
            .is_ok_and(|leaf| rustls::client::verify_server_name(&leaf, name).is_ok())
    }
}

/// Chooses a certificate by the name that the client asks for; the first is the default.
pub struct Certificates(Vec<Checked>);

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.0.len()).finish()
    }
}

impl Certificates {
    /// Checks every certificate against its key.
    ///
    /// # Errors
    ///
    /// The position of the first one that can't be used, and why.
    pub fn new(settings: &[settings::Certificate]) -> Result<Self, (usize, CertificateError)> {
        let checked = |(at, one)| check(one).map_err(|error| (at, error));
        settings.iter().enumerate().map(checked).collect::<Result<_, _>>().map(Self)
    }
}

fn check(settings: &settings::Certificate) -> Result<Checked, CertificateError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&settings.cert_pem)
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::NoCertificate)?;
    let leaf = chain.first().cloned().ok_or(CertificateError::NoCertificate)?;
    let key =
        PrivateKeyDer::from_pem_slice(&settings.key_pem).map_err(|_| CertificateError::NoKey)?;
    ParsedCertificate::try_from(&leaf).map_err(CertificateError::Unreadable)?;
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(CertificateError::Mismatch)?;
    Ok(Checked { key: Arc::new(key), names: ParsedCertificateOf(leaf) })
}

/// When the first certificate of a chain in PEM ends; none when there is none that can be read.
pub fn ends_at(cert_pem: &[u8]) -> Option<UnixTime> {
    ends(cert_pem).min()
}

/// When the last of several authorities in PEM ends, and with it all trust; none when there is none
/// that can be read.
pub fn last_ends_at(authorities_pem: &[u8]) -> Option<UnixTime> {
    ends(authorities_pem).max()
}

fn ends(pem: &[u8]) -> impl Iterator<Item = UnixTime> {
    let end = |der: CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        // One that ended before 1970 has ended.
        let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
        Some(UnixTime::from_secs(seconds))
    };
    CertificateDer::pem_slice_iter(pem).filter_map(move |der| end(der.ok()?))
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let for_name = |name| self.0.iter().find(|one| one.names.is_for(&name));
        asked.and_then(for_name).or(self.0.first()).map(|one| Arc::clone(&one.key))
    }
}

/// What the listeners show, replaced as a whole when the files change. Who is connected stays so.
#[derive(Debug)]
pub(crate) struct Shown(ArcSwapOption<Certificates>);

impl Shown {
    pub(crate) fn new(certificates: Option<Certificates>) -> Self {
        Self(ArcSwapOption::from_pointee(certificates))
    }

    pub(crate) fn show(&self, certificates: Option<Certificates>) {
        self.0.store(certificates.map(Arc::new));
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref()?.resolve(hello)
    }
}
