//! What can be tuned.

use std::{fmt, path::PathBuf, time::Duration};

use crate::error::LogError;

/// How long a request other than an append may take. A broker answers in milliseconds; the first
/// one to a group takes seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long an append may take with all of its attempts: a broker restarts in less.
const APPEND_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an append waits for others to go along with. They also gather while earlier ones are
/// on their way.
const LINGER: Duration = Duration::from_millis(1);

/// How long a member that is not heard of keeps its partitions. librdkafka's own is 45 s, in which
/// nothing of a dead member's share is handled.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// How often stored offsets are committed. What is not, after a crash, is delivered again, and
/// each such event costs a look at its record.
const COMMIT_EVERY: Duration = Duration::from_millis(500);

/// How long a member may not poll before it loses its partitions; librdkafka's own.
const POLL_TIMEOUT: Duration = Duration::from_mins(5);

/// Kilobytes that a member has fetched ahead at most; librdkafka's own would be 64 MiB for each.
const FETCHED_KILOBYTES_MAX: u32 = 8 << 10;

/// What can be tuned. All take effect when the clients are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Brokers to begin with, as `127.0.0.1:9092`, separated by commas.
    pub brokers: String,
    /// What the brokers know this process by, in their logs and quotas.
    pub client_id: String,
    /// The name of this process among those that share its groups, the same after a restart: then
    /// a member that comes back within the session timeout finds its partitions as it left them.
    /// None: each start is another member, and one that leaves is missed at once.
    pub instance: Option<String>,
    /// Encryption. None: plain connections.
    pub tls: Option<Tls>,
    /// Who this process is. None: nobody in particular, or whom its certificate names.
    pub sasl: Option<Sasl>,
    /// How long a request other than an append may take.
    pub request_timeout: Duration,
    /// How long an append may take with all of its attempts.
    pub append_timeout: Duration,
    /// How long an append waits for others to go along with. Zero: not at all.
    pub linger: Duration,
    /// How long a member that is not heard of keeps its partitions.
    pub session_timeout: Duration,
    /// How long a member may not poll before it loses its partitions.
    pub poll_timeout: Duration,
    /// How often stored offsets are committed.
    pub commit_every: Duration,
    /// Kilobytes that a member has fetched ahead at most.
    pub fetched_kilobytes_max: u32,
}

/// How connections are encrypted. Files are in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who vouches for brokers. None: the system's certificates.
    pub ca: Option<PathBuf>,
    /// The certificate that names this process, and its key. None: none is shown.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A name and a password for the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// How they are shown.
    pub mechanism: Mechanism,
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// How a password is shown to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// As it is: only behind TLS.
    Plain,
    /// By a challenge, with SHA-256.
    ScramSha256,
    /// By a challenge, with SHA-512.
    ScramSha512,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Settings {
    /// For the brokers at these addresses, with everything else as it is by default.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            client_id: "headgate".to_owned(),
            instance: None,
            tls: None,
            sasl: None,
            request_timeout: REQUEST_TIMEOUT,
            append_timeout: APPEND_TIMEOUT,
            linger: LINGER,
            session_timeout: SESSION_TIMEOUT,
            poll_timeout: POLL_TIMEOUT,
            commit_every: COMMIT_EVERY,
            fetched_kilobytes_max: FETCHED_KILOBYTES_MAX,
        }
    }

    /// Finds what contradicts itself, whatever this build can do.
    ///
    /// # Errors
    ///
    /// [`LogError::Invalid`].
    pub fn validate(&self) -> Result<(), LogError> {
        let fault = if self.brokers.split(',').any(|broker| broker.trim().is_empty()) {
            "a broker has no address"
        } else if self.is_plain_in_the_clear() {
            "a password in plain needs TLS"
        } else if self.session_timeout >= self.poll_timeout {
            "the session timeout is not below the poll timeout"
        } else if [self.request_timeout, self.append_timeout, self.commit_every]
            .contains(&Duration::ZERO)
        {
            "a timeout is zero"
        } else {
            return Ok(());
        };
        Err(LogError::Invalid(fault.to_owned()))
    }

    fn is_plain_in_the_clear(&self) -> bool {
        let is_plain = |sasl: &Sasl| sasl.mechanism == Mechanism::Plain;
        self.tls.is_none() && self.sasl.as_ref().is_some_and(is_plain)
    }

    /// Whether it takes what comes with OpenSSL: encryption, or the hashes of a challenge.
    #[cfg(feature = "kafka")]
    pub(super) fn needs_tls(&self) -> bool {
        self.tls.is_some() || self.sasl.is_some()
    }
}

#[cfg(test)]
mod tests;
