//! The kind of client that calls.

use std::sync::Arc;

use crate::Version;

/// The class of a calling device (tv, ios, web …), with the rule that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The class's name as the configuration spells it.
    pub class: Arc<str>,
    /// The rule that matched, in the configuration's words, or why none did.
    pub reason: Arc<str>,
    /// The version of its app, where the rule that matched finds one.
    pub version: Option<Version>,
}
