//! Identity sources.

use std::time::Duration;

use headgate_types::format_duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{
    keys::ApiKey,
    scalar::{HeaderName, KeysUrl, Length, LengthOrZero},
};

/// The clocks of an issuer and an edge that both follow NTP differ by far less.
pub(crate) const LEEWAY: Duration = Duration::from_secs(30);
/// Issuers publish a new key hours before they sign with it.
pub(crate) const REFRESH: Duration = Duration::from_mins(10);
/// An unknown key ID costs the issuer one fetch in this time, however many tokens carry one.
pub(crate) const REFETCH: Duration = Duration::from_secs(10);
/// An issuer's outage of a night must not log every device out.
pub(crate) const KEEP_ON_OUTAGE: Duration = Duration::from_hours(24);
/// The header that API gateways commonly read a key from.
pub(crate) const API_KEY_HEADER: &str = "x-api-key";
/// A server in the same region answers in milliseconds; who calls has waited long enough by then.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// The time for which a token that was withdrawn is still honored.
pub(crate) const REMEMBER: Duration = Duration::from_secs(30);

/// An identity source: JWTs by `jwks_file` or `jwks`, opaque tokens by `introspect`, client
/// certificates by `client_cert`, or API keys by `api_keys_file` or `api_keys`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Identity {
    /// File with the JSON Web Key Set that verifies tokens.
    pub(crate) jwks_file: Option<String>,
    /// URL of the JSON Web Key Set that verifies tokens.
    pub(crate) jwks: Option<KeysUrl>,
    /// URL of the server that is asked about each token (RFC 7662). While it can't be asked, tokens
    /// that are not remembered are answered by 503.
    pub(crate) introspect: Option<KeysUrl>,
    /// The part of a client's certificate that names the caller: `subject`, `common_name`,
    /// `san_dns` or `san_uri` (the first of each), or `fingerprint` (SHA-256, in hexadecimal
    /// digits). Clients are asked for one where `edge.tls.client_ca` is set.
    pub(crate) client_cert: Option<CertificatePart>,
    /// The `iss` that tokens must carry. Without this key any will do.
    pub(crate) issuer: Option<String>,
    /// The `aud` that tokens must name. Without this key any will do.
    pub(crate) audience: Option<String>,
    /// The claim that names the one device. Without this key: the subject.
    pub(crate) device_id: Option<String>,
    /// Clock difference that is forgiven in `exp` and `nbf`.
    #[schemars(extend("default" = format_duration(LEEWAY)))]
    pub(crate) leeway: Option<LengthOrZero>,
    /// Age after which keys from a URL are fetched again.
    #[schemars(extend("default" = format_duration(REFRESH)))]
    pub(crate) refresh: Option<Length>,
    /// The least time between two fetches that an unknown key ID causes.
    #[schemars(extend("default" = format_duration(REFETCH)))]
    pub(crate) refetch: Option<Length>,
    /// How long keys from a URL stay good when they can't be fetched again.
    #[schemars(extend("default" = format_duration(KEEP_ON_OUTAGE)))]
    pub(crate) keep_on_outage: Option<Length>,
    /// The edge's identifier at the server that is asked about tokens, sent as user name of HTTP's
    /// basic authentication. Without this key the edge shows nothing.
    pub(crate) client_id: Option<String>,
    /// File with the secret that goes with it, one line.
    pub(crate) client_secret_file: Option<String>,
    /// Time to ask about one token.
    #[schemars(extend("default" = format_duration(ASK_TIMEOUT)))]
    pub(crate) timeout: Option<Length>,
    /// How long an answer about a token is remembered, and so how long a token that was withdrawn
    /// may still be honored; never beyond the token's own end.
    #[schemars(extend("default" = format_duration(REMEMBER)))]
    pub(crate) remember: Option<Length>,
    /// TOML file with a list `api_keys`, each of the form below.
    pub(crate) api_keys_file: Option<String>,
    /// API keys by their digests. The keys themselves are in no file.
    #[schemars(length(max = 10000))]
    pub(crate) api_keys: Option<Vec<ApiKey>>,
    /// The request header that carries an API key.
    #[schemars(extend("default" = API_KEY_HEADER))]
    pub(crate) header: Option<HeaderName>,
}

/// The part of a client's certificate that names the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CertificatePart {
    /// The whole subject.
    Subject,
    /// The subject's common name.
    CommonName,
    /// The first DNS name among the alternative names.
    SanDns,
    /// The first URI among the alternative names.
    SanUri,
    /// The SHA-256 of the certificate.
    Fingerprint,
}

/// Who may ask `/_headgate/whoami` what the edge makes of a caller.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["auth"]))]
pub(crate) struct Whoami {
    /// The identity source that must know the caller, or several in their order: `accounts|keys`.
    pub(crate) auth: String,
    /// The scope that a caller must have.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) scope: String,
}

/// Not a scope that anybody has by chance.
const DEBUG_SCOPE: &str = "headgate.debug";

impl Default for Whoami {
    fn default() -> Self {
        Self { auth: String::new(), scope: DEBUG_SCOPE.to_owned() }
    }
}
