//! Where identities come from.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use http::Uri;

/// The name of callers whom no source knows, which no source can have.
pub const ANONYMOUS: &str = "anonymous";

/// One source of identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySource {
    /// Its name, by which routes ask for it.
    pub name: Arc<str>,
    /// What it verifies.
    pub kind: IdentityKind,
}

/// What an identity source verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityKind {
    /// Bearer tokens, against a JSON Web Key Set.
    Jwt(Jwt),
    /// API keys, against a list of hashes.
    ApiKeys(ApiKeys),
    /// Client certificates, by a part of them.
    Certificate(CertificateIdentity),
    /// Opaque bearer tokens, by asking the server that issued them.
    Introspection(Introspection),
}

/// Bearer tokens, against a JSON Web Key Set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// Where the keys are.
    pub keys: KeySet,
    /// The `iss` that tokens must carry. None accepts any.
    pub issuer: Option<String>,
    /// The `aud` that tokens must name. None accepts any.
    pub audience: Option<String>,
    /// The claim that names the one device. None means the subject.
    pub device_id_claim: Option<String>,
    /// Clock difference that is forgiven in `exp` and `nbf`.
    pub leeway: Duration,
    /// Age after which keys from a URL are fetched again.
    pub refresh: Duration,
    /// The least time between two fetches that an unknown key id causes.
    pub refetch_interval: Duration,
    /// How long keys stay good when they can't be fetched again.
    pub keep_on_outage: Duration,
}

/// Where a JSON Web Key Set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySet {
    /// The text of a file, read by whoever made these settings.
    Text(Arc<str>),
    /// `http` or `https`.
    Url(Uri),
}

/// API keys, against a list of hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeys {
    /// The request header that carries the key, lowercase.
    pub header: String,
    /// The keys.
    pub keys: Vec<ApiKey>,
}

/// One API key, known by its hash only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// SHA-256 of the key's bytes.
    pub sha256: [u8; 32],
    /// Whose key it is.
    pub subject: Arc<str>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Its end, in seconds since the epoch. None means no end.
    pub expires_at: Option<u64>,
}

/// The part of a client's certificate that names its bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateIdentity {
    /// The whole subject.
    Subject,
    /// The subject's common name.
    CommonName,
    /// The first DNS name among the alternative names.
    SanDns,
    /// The first URI among the alternative names.
    SanUri,
    /// The SHA-256 of the certificate, in hexadecimal digits.
    Fingerprint,
}

/// Opaque bearer tokens, by asking the server that issued them (RFC 7662).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// The server's address, `http` or `https`.
    pub uri: Uri,
    /// The edge's identifier there. None: it shows none.
    pub client_id: Option<String>,
    /// The secret that goes with it.
    pub client_secret: Option<Secret>,
    /// The `iss` that answers must carry. None accepts any.
    pub issuer: Option<String>,
    /// The `aud` that answers must name. None accepts any.
    pub audience: Option<String>,
    /// The member that names the one device. None means the subject.
    pub device_id_claim: Option<String>,
    /// Clock difference that is forgiven in `exp` and `nbf`.
    pub leeway: Duration,
    /// Time of one question.
    pub timeout: Duration,
    /// How long an answer is remembered, and never beyond the token's end.
    pub remember: Duration,
}

/// A text that has no place in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Which certificates clients may present.
#[derive(Clone, Debug)]
pub struct ClientAuth {
    /// Where the bundle came from, for messages.
    pub ca_path: PathBuf,
    /// The authorities that may vouch for clients, in PEM.
    pub ca_pem: Vec<u8>,
    /// Whether a client without a certificate gets no connection.
    pub is_required: bool,
}
