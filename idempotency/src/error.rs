//! Why a verb had no effect, by what the caller does next.

use headgate_store::Key;

use crate::{store::StoreError, ticket::Ticket};

/// Why a ticket was not renewed, or a held key not resolved.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The key is somebody else's, or is settled. Stop, and write nothing.
    #[error("the key is held by another claim")]
    Fenced,
    /// The store gave no answer, or did not write.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why work stopped before it was done. What it had not committed is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The key is somebody else's.
    #[error("the key is held by another claim")]
    Fenced,
    /// The lease could not be renewed in time: somebody else may take the key any moment.
    #[error("the lease is over, and was not renewed in time")]
    LeaseOver,
}

impl Lost {
    /// The stable code, with a page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Fenced => "HG1401",
            Self::LeaseOver => "HG1414",
        }
    }
}

/// Why nothing was committed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The key is somebody else's, or is settled. Drop everything.
    #[error("the key is held by another claim")]
    Fenced,
    /// State was changed since the attempt read it. Run again with fresh reads, at most five times;
    /// it is not an attempt.
    #[error("the state of {} in {} was changed", String::from_utf8_lossy(&key.key), key.space)]
    StateConflict {
        /// The state.
        key: Key,
    },
    /// Something else of the batch does not hold, such as a delayed entry that is gone.
    #[error("operation {index} of the commit does not hold")]
    Refused {
        /// Its place in the batch, in which the record is number 0 and the state follows.
        index: usize,
    },
    /// The commit is more than the store writes at once. Split the work into more events.
    #[error("the commit's {what} are {size}, and at most {max} are allowed: split the work")]
    TooLarge {
        /// The part.
        what: &'static str,
        /// Its size, in bytes or in number.
        size: usize,
        /// The limit, in the same unit.
        max: usize,
    },
    /// State would be written among the records.
    #[error("no state may be kept in the space of the records")]
    ReservedSpace,
    /// The store gave no answer, or did not write.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommitError {
    /// The stable code, with a page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Fenced => "HG1401",
            Self::StateConflict { .. } => "HG1402",
            Self::Refused { .. } => "HG1403",
            Self::TooLarge { .. } => "HG1404",
            Self::ReservedSpace => "HG1405",
            Self::Store(error) => error.code(),
        }
    }
}

impl From<TicketError> for CommitError {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Fenced => Self::Fenced,
            TicketError::Store(error) => Self::Store(error),
        }
    }
}

/// A commit that did not take place, with the ticket if it is still good: to run again, to commit
/// something smaller, or to release.
#[derive(Debug, thiserror::Error)]
#[error("nothing was committed")]
pub struct Uncommitted {
    /// Why.
    #[source]
    pub error: CommitError,
    /// The ticket. None: it is worth nothing any more.
    pub ticket: Option<Ticket>,
}

impl From<Uncommitted> for CommitError {
    fn from(uncommitted: Uncommitted) -> Self {
        uncommitted.error
    }
}
