//! The Kafka cluster that events are kept in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{
    scalar::{Name, SecretPlace},
    tls::table_or_true,
};

/// A Kafka cluster.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["brokers"]))]
pub(crate) struct Kafka {
    /// Brokers to begin with, as `host:port`, with commas between them.
    #[schemars(length(min = 1, max = 4096))]
    pub(crate) brokers: String,
    /// This edge's name among those that share the log, the same after a restart: then one that is
    /// back within ten seconds finds its partitions as it left them. Two edges that run at once
    /// need two names. Without this key: each start is another member, and one that leaves is
    /// missed at once.
    pub(crate) instance: Option<Name>,
    /// TLS to the brokers: a table, or `true` for one with nothing in it. Without this key they are
    /// spoken to in plain. Paths are relative to `headgate.toml`. Needs a build with the feature
    /// `kafka-tls`.
    #[serde(deserialize_with = "table_or_true")]
    #[schemars(extend("type" = ["boolean", "object"], "x-noun" = "`true` or a table"))]
    pub(crate) tls: Option<KafkaTls>,
    /// A name and a password for the brokers. Without this key: none is shown. Needs a build with
    /// the feature `kafka-tls`.
    pub(crate) sasl: Option<Sasl>,
}

/// The broker of a stand-alone Kafka.
const BROKERS: &str = "127.0.0.1:9092";

impl Default for Kafka {
    fn default() -> Self {
        Self { brokers: BROKERS.to_owned(), instance: None, tls: None, sasl: None }
    }
}

/// TLS to the brokers. A broker's certificate must be for the host of its address.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct KafkaTls {
    /// PEM file with the authorities of which one must have signed a broker's certificate. Without
    /// this key: those that the machine trusts.
    pub(crate) ca: Option<String>,
    /// PEM file with the certificate chain, leaf first, that the edge shows to brokers. Without
    /// this key: none.
    pub(crate) cert: Option<String>,
    /// PEM file with its private key.
    pub(crate) key: Option<String>,
}

/// A name and a password for the brokers.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["username", "password"]))]
pub(crate) struct Sasl {
    /// How the password is shown. `plain` only behind TLS.
    pub(crate) mechanism: Mechanism,
    /// The name.
    #[schemars(length(min = 1, max = 255))]
    pub(crate) username: String,
    /// Where the password is. It is read when the edge starts.
    pub(crate) password: Option<SecretPlace>,
}

/// How a password is shown to a broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mechanism {
    /// As it is: only behind TLS.
    Plain,
    /// By a challenge, with SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// By a challenge, with SHA-512.
    #[default]
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}
