//! What tells the edge's own probes from whatever else says that it is one.

use std::{fmt, sync::Arc};

use aws_lc_rs::{constant_time::verify_slices_are_equal, rand};
use http::{HeaderMap, HeaderValue};

use crate::headers::PROBE;

/// Bytes of the secret: too many to be guessed while the process lasts.
const SECRET_BYTES: usize = 32;

/// A secret of this process. Only its own probes know it, and they show it to the edge's own
/// listeners alone, so nobody else can mark a request.
pub(crate) struct Mark {
    secret: [u8; SECRET_BYTES],
}

impl Mark {
    /// Draws a secret. None: the system gives no random bytes, and no request is marked.
    pub(crate) fn draw() -> Option<Self> {
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut secret).ok().map(|()| Self { secret })
    }

    /// What a probe of this name shows; none of a name that no header can hold.
    pub(super) fn shown(&self, name: &str) -> Option<HeaderValue> {
        let mut text = Vec::with_capacity(name.len() + 1 + 2 * SECRET_BYTES);
        text.extend_from_slice(name.as_bytes());
        text.push(b' ');
        text.extend_from_slice(&self.digits());
        let mut value = HeaderValue::from_bytes(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The probe that a request is, if it shows the secret.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let shown = headers.get(PROBE)?.as_bytes();
        let at = shown.iter().position(|byte| *byte == b' ')?;
        let (name, secret) = (shown.get(..at)?, shown.get(at + 1..)?);
        verify_slices_are_equal(secret, &self.digits()).ok()?;
        std::str::from_utf8(name).ok().map(Arc::from)
    }

    fn digits(&self) -> Vec<u8> {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        self.secret.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mark").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
