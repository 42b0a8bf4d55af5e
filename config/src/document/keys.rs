//! Lists of API keys, in `headgate.toml` or a file of their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::{Date, Sha256};

/// A file of API keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["api_keys"]))]
pub(crate) struct ApiKeys {
    /// The keys.
    #[schemars(length(max = 10000))]
    pub(crate) api_keys: Vec<ApiKey>,
}

/// One API key, known by its digest only.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["sha256", "subject"]))]
pub(crate) struct ApiKey {
    /// SHA-256 of the key's bytes, in hexadecimal digits: `printf %s "$KEY" | sha256sum`.
    pub(crate) sha256: Option<Sha256>,
    /// Whose key it is.
    #[schemars(length(min = 1))]
    pub(crate) subject: String,
    /// What it may do.
    pub(crate) scopes: Vec<String>,
    /// When it ends. Without this key it never does.
    pub(crate) expires: Option<Date>,
}
