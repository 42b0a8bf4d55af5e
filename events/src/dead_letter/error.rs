//! Why a letter was not changed.

use headgate_idempotency::{CommitError, StoreError};

use super::{LetterState, REDRIVES_MAX};
use crate::LogError;

/// Why a letter was not changed, or letters not read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// There is no letter of this name.
    #[error("{scope} has no dead letter {id}")]
    Unknown {
        /// The handler.
        scope: String,
        /// The name.
        id: String,
    },
    /// No handler of this scope runs, so nobody knows the event's key.
    #[error("no handler {scope} runs here")]
    NoHandler {
        /// The scope.
        scope: String,
    },
    /// It was redriven as often as it may.
    #[error("it was redriven {REDRIVES_MAX} times and failed each time")]
    Loop,
    /// It does not wait for a person, or does not any more.
    #[error("it is {}", .0.as_str())]
    NotWaiting(LetterState),
    /// The log gave no answer.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store gave no answer, or did not write.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The change was not written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl DeadLetterError {
    /// The stable code, with a page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "HG0066",
            Self::NoHandler { .. } => "HG0067",
            Self::Loop => "HG0068",
            Self::NotWaiting(_) => "HG0069",
            Self::Log(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Commit(error) => error.code(),
        }
    }
}
