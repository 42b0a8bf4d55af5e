//! Client certificates: who may present one, and whom it stands for.

use std::{fmt::Write as _, sync::Arc};

use headgate_types::{Identity, Strength, UnixTime};
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
    server::{VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use serde_json::{Map, Value};
use x509_parser::{
    prelude::{FromDer as _, GeneralName, X509Certificate},
    x509::AttributeTypeAndValue,
};

use crate::{
    identity::{
        Credentials, Denied, Reason,
        verified::{CacheKey, Proof, Verified, VerifiedCache, sha256},
    },
    settings::{CertificateIdentity, ClientAuth},
};

/// Names of one kind that are taken from a certificate; what names more is no client's.
const NAMES_MAX: usize = 16;

/// Checks clients' certificates while hands are shaken.
#[derive(Clone, Debug)]
pub struct Clients(Arc<dyn ClientCertVerifier>);

/// Authorities that can't vouch for clients.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientsError {
    /// The file holds no certificate in PEM.
    #[error("no certificate in PEM")]
    NoCertificate,
    /// A certificate is none that an authority can have.
    #[error("a certificate can't be read: {0}")]
    Unreadable(#[source] rustls::Error),
    /// The verifier can't be built of them.
    #[error("no verifier: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

impl Clients {
    /// Takes certificates that one of the bundle's authorities has signed.
    ///
    /// # Errors
    ///
    /// [`ClientsError`] when the bundle can't be used.
    pub fn new(settings: &ClientAuth) -> Result<Self, ClientsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&settings.ca_pem) {
            let certificate = certificate.map_err(|_| ClientsError::NoCertificate)?;
            roots.add(certificate).map_err(ClientsError::Unreadable)?;
        }
        if roots.is_empty() {
            return Err(ClientsError::NoCertificate);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier =
            if settings.is_required { verifier } else { verifier.allow_unauthenticated() };
        Ok(Self(verifier.build()?))
    }

    pub(crate) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.0)
    }
}

/// A client's certificate that an authority of the bundle has signed, as it was read when hands
/// were shaken.
#[derive(Debug)]
pub struct ClientCertificate {
    fingerprint: [u8; 32],
    /// What it says, as claims of its bearer.
    claims: Map<String, Value>,
    not_after: UnixTime,
}

impl ClientCertificate {
    /// Reads what identities are made of. None where the certificate can't be read.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let fingerprint = sha256(der);
        let mut claims = Map::new();
        let mut tell = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        tell("subject", certificate.subject().to_string().into());
        tell("issuer", certificate.issuer().to_string().into());
        tell("serial", hex(certificate.raw_serial()).into());
        tell("fingerprint", hex(&fingerprint).into());
        let subject = certificate.subject();
        for (claim, value) in [
            ("cn", text(subject.iter_common_name().next())),
            ("o", text(subject.iter_organization().next())),
            ("ou", text(subject.iter_organizational_unit().next())),
        ] {
            if let Some(value) = value {
                tell(claim, value);
            }
        }
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
        for (claim, list) in [
            (
                "san_dns",
                alternatives(names, |name| match name {
                    GeneralName::DNSName(name) => Some(*name),
                    _ => None,
                }),
            ),
            (
                "san_uri",
                alternatives(names, |name| match name {
                    GeneralName::URI(name) => Some(*name),
                    _ => None,
                }),
            ),
            (
                "san_email",
                alternatives(names, |name| match name {
                    GeneralName::RFC822Name(name) => Some(*name),
                    _ => None,
                }),
            ),
        ] {
            if !list.is_empty() {
                tell(claim, Value::Array(list));
            }
        }
        let not_after = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
        Some(Self { fingerprint, claims, not_after: UnixTime::from_secs(not_after) })
    }

    /// The name by which it stands for somebody. None where it has none of that kind.
    fn name(&self, by: CertificateIdentity) -> Option<&str> {
        match by {
            CertificateIdentity::Subject => self.claims.get("subject")?.as_str(),
            CertificateIdentity::CommonName => self.claims.get("cn")?.as_str(),
            CertificateIdentity::SanDns => self.claims.get("san_dns")?.get(0)?.as_str(),
            CertificateIdentity::SanUri => self.claims.get("san_uri")?.get(0)?.as_str(),
            CertificateIdentity::Fingerprint => self.claims.get("fingerprint")?.as_str(),
        }
        .filter(|name| !name.is_empty())
    }
}

/// Names whoever presents a certificate by one of its parts.
#[derive(Debug)]
pub(super) struct CertificateSource {
    name: Arc<str>,
    by: CertificateIdentity,
}

impl CertificateSource {
    pub(super) fn new(name: Arc<str>, by: CertificateIdentity) -> Self {
        Self { name, by }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Finds whose certificate came with the connection. Its end is looked at with each request: a
    /// connection may last longer.
    pub(super) fn find(
        &self,
        (id, cache): (u64, &VerifiedCache),
        shown: Credentials<'_>,
        now: UnixTime,
    ) -> Result<Arc<Verified>, Denied> {
        let certificate = shown.certificate.ok_or(Denied::Missing)?;
        let key = CacheKey::of_sha256(id, certificate.fingerprint);
        let verified = if let Some(verified) = cache.get(&key) {
            verified
        } else {
            let verified = Arc::new(self.verified(certificate)?);
            cache.insert(key, Arc::clone(&verified));
            verified
        };
        verified.in_time(now)?;
        Ok(verified)
    }

    fn verified(&self, certificate: &ClientCertificate) -> Result<Verified, Denied> {
        let subject: Arc<str> = certificate.name(self.by).ok_or(Reason::Malformed)?.into();
        let ends_at = Some(certificate.not_after);
        let identity = Identity {
            device_id: Arc::clone(&subject),
            subject,
            source: Arc::clone(&self.name),
            strength: Strength::ClientCertificate,
            scopes: Vec::new(),
            claims: certificate.claims.clone(),
            expires_at: ends_at,
        };
        let claims_bytes = certificate.claims.values().map(|value| value.to_string().len()).sum();
        let proof = Proof { ends_at, credential_bytes: claims_bytes, ..Proof::default() };
        Ok(Verified::new(identity, proof))
    }
}

fn text(attribute: Option<&AttributeTypeAndValue<'_>>) -> Option<Value> {
    attribute?.as_str().ok().map(Value::from)
}

fn alternatives<'a>(
    names: &[GeneralName<'a>],
    read: impl Fn(&GeneralName<'a>) -> Option<&'a str>,
) -> Vec<Value> {
    names.iter().filter_map(read).take(NAMES_MAX).map(Value::from).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text can't fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

#[cfg(test)]
mod tests;
