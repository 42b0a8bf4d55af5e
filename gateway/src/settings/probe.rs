//! Requests that the edge sends to itself.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, uri::PathAndQuery};

/// A request that the edge sends to itself, to see that all of its way works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its name.
    pub name: Arc<str>,
    /// The method.
    pub method: Method,
    /// What it asks for.
    pub path: PathAndQuery,
    /// The host that it asks for. None: the address that it is sent to.
    pub host: Option<HeaderValue>,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body. Empty: none.
    pub body: Bytes,
    /// Time for the whole of it, with the results of what it began.
    pub timeout: Duration,
}
