//! Why a configuration is loaded.

/// What asked for a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// Files changed, or may have.
    Files,
    /// Somebody sent SIGHUP.
    Signal,
    /// An overlay was set or unset.
    Overlay,
    /// An overlay has expired, or a delegation has ended.
    Time,
}

impl Trigger {
    /// The word in logs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Signal => "signal",
            Self::Overlay => "overlay",
            Self::Time => "time",
        }
    }
}
