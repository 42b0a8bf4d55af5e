//! What a decision reads of a request.

use http::{HeaderMap, Method};
use serde_json::{Map, Value};

/// What a decision reads of a request; borrowed, so that making one costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host in lowercase and without its port; empty when the client named none.
    pub host: &'a str,
    /// The path as [`crate::path::normalize`] returned it.
    pub path: &'a str,
    /// The query without its question mark, as sent.
    pub query: Option<&'a str>,
    /// The headers as the client sent them.
    pub headers: &'a HeaderMap,
    /// The verified claims of the caller. None before authentication and for anonymous callers.
    pub claims: Option<&'a Map<String, Value>>,
    /// The device class. Whatever it is, a [`crate::device::Classifier`] does not read it.
    pub device: &'a str,
}
