//! Requests that the edge sends to itself.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::{HeaderLine, HeaderName, HostName, Length, SecretPlace, Sent};

/// A request that the edge sends to its own listener and follows to its end: the answer, and where
/// it makes an event the results of its handlers. It is marked, also in the events that follow from
/// it, and counts in no figure of routes, arms and mirrors, in no replay, and in no table.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["send"]))]
pub(crate) struct Probe {
    /// The request: its method and its path.
    pub(crate) send: Option<Sent>,
    /// The host that it asks for. Without this key: the address of the listener.
    pub(crate) host: Option<HostName>,
    /// Further headers, each as `name: value`.
    #[schemars(length(max = 32))]
    pub(crate) headers: Vec<HeaderLine>,
    /// The body, JSON unless a header says otherwise.
    #[schemars(length(max = 65536))]
    pub(crate) body: Option<String>,
    /// Where its credential is, which is read for each run.
    pub(crate) credential: Option<SecretPlace>,
    /// The header that has the credential; `authorization` has it behind `Bearer`.
    pub(crate) credential_header: HeaderName,
    /// Time between two runs of one edge. Without this key only `headgate probe` runs it.
    pub(crate) every: Option<Length>,
    /// Time for the whole of a run; a longer one has failed.
    pub(crate) timeout: Length,
}

/// Longer than anybody would wait.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Default for Probe {
    fn default() -> Self {
        Self {
            send: None,
            host: None,
            headers: Vec::new(),
            body: None,
            credential: None,
            credential_header: HeaderName("authorization".to_owned()),
            every: None,
            timeout: Length(TIMEOUT),
        }
    }
}
