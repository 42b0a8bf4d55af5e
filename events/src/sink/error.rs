//! Why a sink can't be started.

use crate::error::LogError;

/// Why a sink can't be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The settings contradict themselves.
    #[error("{0}")]
    Invalid(String),
    /// A table is not there, or is not as the settings have it.
    #[error("the table {table} does not fit: {reason}")]
    Differs {
        /// The table.
        table: String,
        /// What the database says.
        reason: String,
    },
    /// The database can't be reached, or does not let this process in.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The log did not answer.
    #[error("the log has no such topic or group")]
    Log(#[from] LogError),
}

impl SinkError {
    /// The stable code, with a page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "HG0070",
            Self::Differs { .. } => "HG0071",
            Self::Unavailable(_) => "HG0072",
            Self::Log(error) => error.code(),
        }
    }
}
