//! `mirror` of a route.

use headgate_gateway::settings::{MIRROR_BODY_BYTES_MAX, MIRROR_TIMEOUT};
use headgate_router::{compare, split::Weight};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::scalar::{Compared, Length, Percent, Size};

/// Another upstream that gets copies of the requests, beside the caller's own exchange: nothing
/// that it does or fails to do reaches the caller. Its answers are compared with the caller's.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["to", "share"]))]
pub(crate) struct Mirror {
    /// The upstream that gets the copies, one of the same team. They carry `headgate-mirror: 1`.
    pub(crate) to: String,
    /// The share of requests that are copied, drawn by their traces.
    pub(crate) share: Percent,
    /// What is compared: `status`, or `json:` and a JSON pointer into the body, in which `*` stands
    /// for every element of a list and every member of an object.
    #[schemars(length(min = 1, max = 16))]
    pub(crate) compare: Vec<Compared>,
    /// Time of one copy, from its connection to the end of its answer.
    pub(crate) timeout: Length,
    /// Bytes of a request body that is held for its copy. A request with a longer one is not
    /// copied.
    pub(crate) max_body: Size,
    /// Whether requests are copied that may change something. Without it only GET, HEAD, OPTIONS
    /// and TRACE are.
    pub(crate) writes: bool,
}

impl Default for Mirror {
    fn default() -> Self {
        Self {
            to: String::new(),
            share: Percent(Weight::NONE),
            compare: vec![Compared(compare::Field::Status)],
            timeout: Length(MIRROR_TIMEOUT),
            max_body: Size(MIRROR_BODY_BYTES_MAX),
            writes: false,
        }
    }
}
