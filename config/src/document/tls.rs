//! TLS to upstreams.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::document::scalar::HostName;

/// TLS to an upstream's endpoints. Paths are relative to the team's own folder, which no file may
/// lie outside of; a file that changes is read again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// PEM file with the authorities of which one must have signed an endpoint's certificate.
    /// Without this key: those that the machine trusts.
    pub(crate) ca: Option<String>,
    /// Name that an endpoint's certificate must be for, and that the endpoint is asked for. Without
    /// this key: the host of its address.
    pub(crate) server_name: Option<HostName>,
    /// PEM file with the certificate chain, leaf first, that the edge shows to endpoints that ask
    /// for one. Without this key: none.
    pub(crate) cert: Option<String>,
    /// PEM file with its private key.
    pub(crate) key: Option<String>,
    /// Whether endpoints' certificates are verified. `false` lets whoever is on the way read and
    /// change everything.
    pub(crate) verify: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { ca: None, server_name: None, cert: None, key: None, verify: true }
    }
}

/// Reads a table, or `true` for one with nothing in it.
pub(crate) fn table_or_true<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written<T> {
        Switch(bool),
        Table(T),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Switch(is_on) => is_on.then(T::default),
        Written::Table(tls) => Some(tls),
    })
}
