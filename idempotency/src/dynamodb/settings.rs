//! What can be tuned.

use std::{num::NonZeroU32, time::Duration};

use crate::store::StoreError;

/// The table, unless another one is named.
const TABLE: &str = "headgate";

/// How long a connection may take to be there: three round trips across a continent, with TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one attempt may take. DynamoDB answers in milliseconds; what takes this long is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a read or a batch may take with all of its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest such time: half of the ten minutes for which DynamoDB knows a transaction's token.
const OPERATION_TIMEOUT_MAX: Duration = Duration::from_mins(5);

/// Attempts of one read or batch; AWS's own clients make three, and four for DynamoDB.
const ATTEMPTS_MAX: NonZeroU32 = NonZeroU32::new(4).expect("four is not zero");

/// The first wait between attempts is drawn from zero to this; AWS's own for DynamoDB.
const BACKOFF: Duration = Duration::from_millis(25);

/// The longest such wait.
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// What can be tuned. All take effect when the client is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The table's name.
    pub table: String,
    /// The address to send to, as `http://127.0.0.1:8000`. None: the region's.
    pub endpoint: Option<String>,
    /// The region. None: the one that AWS's tools would choose here.
    pub region: Option<String>,
    /// Where credentials come from.
    pub credentials: Credentials,
    /// How long a connection may take to be there.
    pub connect_timeout: Duration,
    /// How long one attempt may take. Afterwards its answer counts as lost.
    pub attempt_timeout: Duration,
    /// How long a read or a batch may take with all of its attempts; at most five minutes.
    pub operation_timeout: Duration,
    /// Attempts of one read or batch at most, the first included.
    pub attempts_max: NonZeroU32,
    /// The first wait between attempts is drawn from zero to this, and each later one from twice
    /// the range.
    pub backoff: Duration,
    /// The range's upper end grows to this at most.
    pub backoff_max: Duration,
}

/// Where credentials come from. None stands in the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// From where AWS's tools look for them.
    #[default]
    Chain,
    /// A fixed pair that opens nothing: DynamoDB Local takes any. Only with an endpoint.
    Local,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            table: TABLE.to_owned(),
            endpoint: None,
            region: None,
            credentials: Credentials::Chain,
            connect_timeout: CONNECT_TIMEOUT,
            attempt_timeout: ATTEMPT_TIMEOUT,
            operation_timeout: OPERATION_TIMEOUT,
            attempts_max: ATTEMPTS_MAX,
            backoff: BACKOFF,
            backoff_max: BACKOFF_MAX,
        }
    }
}

impl Settings {
    /// For a table of DynamoDB Local at an address.
    pub fn local(endpoint: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            endpoint: Some(endpoint.into()),
            region: Some("local".to_owned()),
            credentials: Credentials::Local,
            ..Self::default()
        }
    }

    pub(super) fn validate(&self) -> Result<(), StoreError> {
        let fault = if self.table.is_empty() {
            "the table has no name"
        } else if self.credentials == Credentials::Local && self.endpoint.is_none() {
            "local credentials need an endpoint"
        } else if self.operation_timeout > OPERATION_TIMEOUT_MAX {
            "the operation timeout is above five minutes"
        } else if [self.connect_timeout, self.attempt_timeout, self.operation_timeout]
            .contains(&Duration::ZERO)
        {
            "a timeout is zero"
        } else {
            return Ok(());
        };
        Err(StoreError::Invalid(fault.to_owned()))
    }
}
