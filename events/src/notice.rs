//! Errors that somebody may want to know of, each of one class.

mod feed;

use std::fmt;

use headgate_idempotency::Settlement;
use headgate_types::{TraceId, UnixTime};
use serde::{Deserialize, Serialize};

pub use self::feed::{NOTICE_KIND, NoticeFeed, Notices};

/// Whoever is told. It must not block, and keeps what it can't pass on within a bound.
pub trait Notify: fmt::Debug + Send + Sync + 'static {
    /// Tells of an error.
    fn notify(&self, notice: &Notice);
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Notify for Silent {
    fn notify(&self, _notice: &Notice) {}
}

/// An error while an event was handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What kind of error it is.
    pub class: Class,
    /// The handler.
    pub scope: String,
    /// The topic of the event.
    pub topic: String,
    /// The event's id. None: it could not be read, or there is none.
    pub event: Option<String>,
    /// Its trace, as 32 digits.
    #[serde(serialize_with = "display")]
    pub trace: Option<TraceId>,
    /// Why, in a line.
    pub error: String,
    /// When.
    #[serde(serialize_with = "display")]
    pub time: Option<UnixTime>,
}

/// What kind of error it is, by what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The event is given up, and stands among the dead letters.
    Parked,
    /// Whether an effect happened is not known, and its key waits for a person.
    Held,
    /// The handler refused the event for good.
    Rejected,
    /// The key was used for another event's data; the event stands among the dead letters.
    Conflict,
    /// The entry is no event; its bytes stand among the dead letters.
    Undecodable,
    /// The event came too late, and was not handled.
    Expired,
    /// Something that the handler needs is down; its events wait.
    Dependency,
    /// The attempt failed, and another one follows.
    Deferred,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Parked,
        Self::Held,
        Self::Rejected,
        Self::Conflict,
        Self::Undecodable,
        Self::Expired,
        Self::Dependency,
        Self::Deferred,
    ];

    /// What a settlement tells that is worth a notice, with the error's text.
    pub fn of(settlement: &Settlement) -> Option<(Self, String)> {
        Some(match settlement {
            Settlement::Parked { error } => (Self::Parked, error.clone()),
            Settlement::Held { error } => (Self::Held, error.clone()),
            Settlement::Rejected { result } => {
                (Self::Rejected, String::from_utf8_lossy(result).into_owned())
            }
            Settlement::Conflict => (Self::Conflict, "its key was used for other data".to_owned()),
            Settlement::Expired => (Self::Expired, "it came too late".to_owned()),
            Settlement::Dependency { name, error } => {
                (Self::Dependency, format!("{name}: {error}"))
            }
            Settlement::Deferred { error, .. } => (Self::Deferred, error.clone()),
            _ => return None,
        })
    }
}

#[expect(clippy::ref_option, reason = "the shape that `serialize_with` asks for")]
fn display<T: fmt::Display, S: serde::Serializer>(
    value: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}
