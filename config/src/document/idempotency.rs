//! `idempotency` of a route, and where its records are.

use headgate_gateway::settings as gateway;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::{Length, LengthOrZero, ServiceUrl, Size};

/// What an `idempotency-key` does on the route: the first request with it is passed on, and later
/// ones get the first one's answer. GET, HEAD, OPTIONS and TRACE are not affected, and so is no
/// WebSocket. Needs `data.dir`, or DynamoDB in `[idempotency]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Idempotency {
    /// Whether a request without a key is refused. If not, it is passed on as on any other route.
    pub(crate) required: bool,
    /// How long an answer is kept, from when it was given. Longer than `lease` and the exchange's
    /// `timeout`.
    pub(crate) ttl: Length,
    /// How long a request waits for the one with its key that is still being served, before it is
    /// told to come back. A client says otherwise by `prefer: wait=SECONDS`. At most the
    /// exchange's `timeout`.
    pub(crate) wait: LengthOrZero,
    /// How long a key stays taken after its edge has died. At least `1s`.
    pub(crate) lease: Length,
    /// What becomes of a key whose request may have been carried out without an answer.
    pub(crate) on_lost: OnLost,
    /// Bytes of a request body with a key, which is held in memory. Without this key: `256KiB`, or
    /// the route's `max_body` where that is less.
    pub(crate) max_body: Option<Size>,
    /// Bytes of an answer's body that is kept, at most `1MiB`, or `320KiB` in DynamoDB. A longer one reaches its client,
    /// and later requests with the key are told that it was not kept.
    pub(crate) max_answer: Size,
    /// Answers that are kept, by status; 408, 425 and 429 never are. After any other answer the
    /// key is free again.
    #[schemars(length(min = 1, max = 4))]
    pub(crate) keep: Vec<StatusKind>,
}

impl Default for Idempotency {
    fn default() -> Self {
        let settings = gateway::Idempotency::default();
        Self {
            required: settings.is_required,
            ttl: Length(settings.ttl),
            wait: LengthOrZero(settings.wait),
            lease: Length(settings.lease),
            on_lost: OnLost::default(),
            max_body: None,
            max_answer: Size(settings.answer_bytes_max),
            keep: vec![StatusKind::Success, StatusKind::Redirection, StatusKind::ClientError],
        }
    }
}

/// What becomes of a key whose request may have been carried out without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnLost {
    /// The next request with it is passed on: the BFF may see it twice.
    #[default]
    Retry,
    /// No request with it is passed on any more: the BFF sees it once, at most.
    Hold,
}

/// A hundred statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum StatusKind {
    /// 200 to 299.
    #[serde(rename = "2xx")]
    Success,
    /// 300 to 399.
    #[serde(rename = "3xx")]
    Redirection,
    /// 400 to 499.
    #[serde(rename = "4xx")]
    ClientError,
    /// 500 to 599.
    #[serde(rename = "5xx")]
    ServerError,
}

/// A store of idempotency records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RecordStore {
    /// A file in `data.dir`, for one edge.
    #[default]
    Embedded,
    /// A table of DynamoDB, for several edges.
    Dynamodb,
}

/// A table of DynamoDB. Credentials are looked for where AWS's tools look.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DynamoDb {
    /// The table's name.
    #[schemars(length(min = 3, max = 255))]
    pub(crate) table: String,
    /// Where a stand-in such as DynamoDB Local listens; there the table is made if it is missing.
    /// Without this key: the region's own endpoint, where the table has to be.
    pub(crate) endpoint: Option<ServiceUrl>,
    /// The region. `local` is DynamoDB Local's, and needs no credentials. Without this key: where
    /// AWS's tools would find it.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) region: Option<String>,
}

/// The table that a deployment has when nothing else is said.
const TABLE: &str = "headgate";

impl Default for DynamoDb {
    fn default() -> Self {
        Self { table: TABLE.to_owned(), endpoint: None, region: None }
    }
}
