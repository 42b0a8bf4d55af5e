//! A path without what may be a secret in it.

use std::{borrow::Cow, collections::HashMap, fmt::Write as _};

use headgate_router::{path, pattern::Pattern};
use serde::{Serialize, Serializer};

use super::digest_of;

/// Bytes from which on a segment with a digit in it may be a token: longer than the names and
/// numbers that people give to things, as short as 128 bits in Base64.
const SECRET_BYTES: usize = 22;
/// What a segment's digest is made with.
const SUBJECT: &str = "path";
/// In the place of a segment's parameters, among which are session ids.
const PARAMETERS: &str = ";~";

/// A normalized path that is written with digests in the place of what may be a secret.
pub(super) struct Masked<'a>(pub(super) &'a str);

impl Serialize for Masked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&masked(self.0))
    }
}

fn may_be_secret(segment: &str) -> bool {
    segment.len() >= SECRET_BYTES && segment.bytes().any(|byte| byte.is_ascii_digit())
}

fn mask(segment: &str) -> String {
    format!("~{:013x}", digest_of(SUBJECT, segment.as_bytes()))
}

/// A path with digests in the place of what may be a secret.
pub(super) fn masked(path: &str) -> Cow<'_, str> {
    let is_plain = |segment: &str| path::name_of(segment) == segment && !may_be_secret(segment);
    if path.split('/').all(is_plain) {
        return Cow::Borrowed(path);
    }
    let mut text = String::with_capacity(path.len());
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            text.push('/');
        }
        let name = path::name_of(segment);
        if may_be_secret(name) {
            text.push_str(&mask(name));
        } else {
            text.push_str(name);
        }
        if name != segment {
            text.push_str(PARAMETERS);
        }
    }
    Cow::Owned(text)
}

/// The literals of patterns that look like a secret, by what a fact has in their place.
#[derive(Debug, Default)]
pub(crate) struct Unmasked(HashMap<String, Box<str>>);

impl Unmasked {
    pub(crate) fn of<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Self {
        let literals = patterns.into_iter().flat_map(Pattern::literals);
        let secret = literals.filter(|literal| may_be_secret(literal));
        Self(secret.map(|literal| (mask(literal), literal.into())).collect())
    }

    /// The path of a fact, with the literals back in it.
    pub(crate) fn path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(path);
        }
        let mut text = String::with_capacity(path.len());
        for (index, segment) in path.split('/').enumerate() {
            if index > 0 {
                text.push('/');
            }
            let name = path::name_of(segment);
            let parameters = segment.strip_prefix(name).unwrap_or_default();
            let name = self.0.get(name).map_or(name, AsRef::as_ref);
            // Writing to a text can't fail.
            write!(text, "{name}{parameters}").unwrap_or_default();
        }
        Cow::Owned(text)
    }
}
