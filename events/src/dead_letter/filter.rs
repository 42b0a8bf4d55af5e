//! Which letters are meant.

use headgate_types::UnixTime;

use super::Letter;

/// What letters must be. By default all match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The reason, such as `attempts`.
    pub reason: Option<String>,
    /// The event's type.
    pub kind: Option<String>,
    /// The event's partition key.
    pub key: Option<String>,
    /// Given up then or later.
    pub since: Option<UnixTime>,
    /// Given up before then.
    pub until: Option<UnixTime>,
}

/// Which letters are redriven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One, by its name.
    Id(String),
    /// All that match.
    Matching(Filter),
}

impl Filter {
    /// Whether a letter is meant.
    pub fn matches(&self, letter: &Letter) -> bool {
        let Self { reason, kind, key, since, until } = self;
        let event = letter.event.as_ref();
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        is(reason, Some(&letter.reason))
            && is(kind, event.map(|event| &*event.kind))
            && is(key, event.map(|event| &*event.partition_key))
            && since.is_none_or(|since| letter.time >= since)
            && until.is_none_or(|until| letter.time < until)
    }
}
