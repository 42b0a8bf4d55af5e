//! Why a handler did not do its work.

use std::{fmt::Display, time::Duration};

use crate::store::StoreError;

/// What stands for the store where a handler's dependencies are named.
const STORE: &str = "store";

/// Why a handler did not do its work, by what follows from it. Nothing that it buffered is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Another attempt may succeed. After the last one the event is given up.
    #[error("{error}")]
    Retry {
        /// Why, in a line.
        error: String,
        /// How long to wait at least. None: as the handler's backoff says.
        after: Option<Duration>,
    },
    /// No attempt will succeed: the refusal is recorded as the key's outcome.
    #[error("{error}")]
    Terminal {
        /// Why, in a line. Whoever asks for the key's outcome reads it.
        error: String,
    },
    /// Something that the handler needs is down. The attempt does not count, and the event is never
    /// given up for it.
    #[error("{name}: {error}")]
    Dependency {
        /// What is down, such as `psp`.
        name: String,
        /// Why, in a line.
        error: String,
    },
    /// Whether an effect outside happened is not known. In mode leased `on_lost` decides; where the
    /// effect's key is honored, or nothing is done outside, it is tried again.
    #[error("{error}")]
    InDoubt {
        /// Why, in a line.
        error: String,
    },
}

impl Fault {
    /// Another attempt may succeed.
    pub fn retry(error: impl Display) -> Self {
        Self::Retry { error: error.to_string(), after: None }
    }

    /// Another attempt may succeed, but not sooner.
    pub fn retry_after(after: Duration, error: impl Display) -> Self {
        Self::Retry { error: error.to_string(), after: Some(after) }
    }

    /// No attempt will succeed.
    pub fn terminal(error: impl Display) -> Self {
        Self::Terminal { error: error.to_string() }
    }

    /// Something that the handler needs is down.
    pub fn dependency(name: impl Into<String>, error: impl Display) -> Self {
        Self::Dependency { name: name.into(), error: error.to_string() }
    }

    /// Whether an effect outside happened is not known.
    pub fn in_doubt(error: impl Display) -> Self {
        Self::InDoubt { error: error.to_string() }
    }
}

/// State that can't be read is a dependency that is down.
impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::dependency(STORE, error)
    }
}
