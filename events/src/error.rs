//! Why the log gave no answer.

/// Why a log gave no answer, or took nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// What was asked for can't be carried out by any log. Nothing was appended.
    #[error("{0}")]
    Invalid(String),
    /// A topic is there and is not as it is wanted.
    #[error("the topic {topic} has {found} {what}, and {wanted} are wanted")]
    Differs {
        /// The topic.
        topic: String,
        /// What differs, in the plural.
        what: &'static str,
        /// How many are wanted.
        wanted: u32,
        /// How many there are.
        found: u32,
    },
    /// Too much waits. Nothing was appended; the same may succeed a little later.
    #[error("the log is busy")]
    Busy,
    /// There is no space. Nothing was appended.
    #[error("the log is full")]
    Full,
    /// No answer came: some of it may have been appended. To append it again is safe, because
    /// consumers know equal ids.
    #[error("whether the log has the events is not known: {0}")]
    InDoubt(String),
    /// The log can't be reached or is closed.
    #[error("the log is not available: {0}")]
    Unavailable(String),
}

impl LogError {
    /// The stable code, with a page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "HG0060",
            Self::Differs { .. } => "HG0061",
            Self::Busy => "HG0062",
            Self::Full => "HG0063",
            Self::InDoubt(_) => "HG0064",
            Self::Unavailable(_) => "HG0065",
        }
    }

    /// Whether the same may succeed later, with nothing changed.
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::Invalid(_) | Self::Differs { .. })
    }
}
