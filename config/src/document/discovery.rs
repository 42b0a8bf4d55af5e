//! Where endpoints are looked up.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::{DnsName, Length};

/// Where an upstream's endpoints are looked up: addresses of a name by `name` and `port`, or a
/// service by `srv`. Names are whole ones; no domain is added to them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Dns {
    /// Name whose addresses are asked for, by A and AAAA. It is also the name that endpoints'
    /// certificates must be for, unless `tls.server_name` says another.
    pub(crate) name: Option<DnsName>,
    /// Port of all addresses of the name.
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: Option<u32>,
    /// Name of a service whose SRV records are asked for: they have names, ports and weights. Of
    /// several priorities the least number counts.
    pub(crate) srv: Option<DnsName>,
    /// Least time between two looks, however short an answer's time to live is.
    pub(crate) refresh_min: Length,
    /// Longest time between two looks, however long an answer's time to live is.
    pub(crate) refresh_max: Length,
}

/// Answers of no time to live must not make a look for every request of others.
const REFRESH_MIN: Duration = Duration::from_secs(1);
/// An answer that is good for a day must not keep traffic at endpoints that are long gone.
const REFRESH_MAX: Duration = Duration::from_mins(1);

impl Default for Dns {
    fn default() -> Self {
        Self {
            name: None,
            port: None,
            srv: None,
            refresh_min: Length(REFRESH_MIN),
            refresh_max: Length(REFRESH_MAX),
        }
    }
}
