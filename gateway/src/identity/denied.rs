//! Why a caller is refused, and why a source can't be set up.

use std::{fmt, sync::Arc};

use headgate_telemetry::Denial;

/// Why a request has no verified caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The request carries no credential of the kind that the source verifies.
    #[error("no credential")]
    Missing,
    /// The request carries a credential that is not good. The reason is for logs: an answer that
    /// told it would help whoever forges tokens.
    #[error("credential refused: {0}")]
    Invalid(Reason),
    /// The keys to verify the credential could not be had; it may be good.
    #[error("no keys to verify the credential with")]
    KeysUnavailable,
    /// The server that knows the credential can't be asked; it may be good.
    #[error("nobody to ask about the credential")]
    SourceUnavailable,
}

/// What is wrong with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Its end has passed.
    Expired,
    /// Its start has not come.
    NotYet,
    /// The signature does not fit.
    Signature,
    /// Another issuer than the configured one.
    Issuer,
    /// It was not made for the configured audience.
    Audience,
    /// An algorithm that is not allowed, or not the one of the key that it names.
    Algorithm,
    /// A key that the source does not hold.
    UnknownKey,
    /// The server that issued it says that it is not active.
    Inactive,
    /// Not a credential at all: too long, sent twice, cut off, without a required claim.
    Malformed,
}

impl Reason {
    /// The word used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Inactive => "inactive",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Denied> for Denial {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::Missing,
            Denied::KeysUnavailable => Self::KeysUnavailable,
            Denied::SourceUnavailable => Self::SourceUnavailable,
            Denied::Invalid(reason) => match reason {
                Reason::Expired => Self::Expired,
                Reason::NotYet => Self::NotYetValid,
                Reason::Signature => Self::Signature,
                Reason::Issuer => Self::Issuer,
                Reason::Audience => Self::Audience,
                Reason::Algorithm => Self::Algorithm,
                Reason::UnknownKey => Self::UnknownKey,
                Reason::Inactive => Self::Inactive,
                Reason::Malformed => Self::Malformed,
            },
        }
    }
}

impl From<Reason> for Denied {
    fn from(reason: Reason) -> Self {
        Self::Invalid(reason)
    }
}

/// An identity source that can't be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key set of a source can't be used.
    #[error("key set of identity source `{source_name}`")]
    Keys {
        /// The source's name.
        source_name: Arc<str>,
        /// What is wrong with its key set.
        #[source]
        cause: KeySetError,
    },
    /// The header that should carry API keys is no header name.
    #[error("`{header}` of identity source `{source_name}` is not a header name")]
    Header {
        /// The source's name.
        source_name: Arc<str>,
        /// The text in place of a header name.
        header: String,
    },
}

/// Text that is no JSON Web Key Set with a key that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not JSON, or not an object with a list `keys`. The cause names line and column.
    #[error("not a JSON Web Key Set: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A key set without a key for RS256, ES256 or `EdDSA` signatures.
    #[error("no key for RS256, ES256 or EdDSA among {keys_count}")]
    NothingUsable {
        /// Keys in the set.
        keys_count: usize,
    },
    /// More keys than any issuer needs.
    #[error("{keys_count} keys, {keys_max} allowed")]
    TooMany {
        /// Keys in the set.
        keys_count: usize,
        /// Keys that a set may have.
        keys_max: usize,
    },
}
