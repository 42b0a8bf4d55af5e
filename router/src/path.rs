//! The one spelling of a path that is matched and forwarded.

use std::borrow::Cow;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path is refused")]
pub struct PathFault;

impl PathFault {
    /// The fault in words.
    pub const fn as_str(self) -> &'static str {
        "path is refused"
    }
}

/// Normalizes a path.
///
/// # Errors
///
/// [`PathFault`].
pub fn normalize(path: &str) -> Result<Cow<'_, str>, PathFault> {
    Ok(Cow::Borrowed(path))
}
