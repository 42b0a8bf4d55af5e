//! The process's own log: what an operator reads, on the standard error stream.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt as _};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people; colored on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The level is no list of directives.
    #[error("log level {level:?} is not valid")]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process logs already.
    #[error("logging has begun already")]
    Begun(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends the process's `tracing` events, and the `log` records of libraries, to standard error.
///
/// `level` is a level, or directives by module: `info`, `info,headgate_gateway=debug`.
///
/// # Errors
///
/// [`Error::Level`] when `level` can't be read, [`Error::Begun`] when called twice.
pub fn init(format: Format, level: &str) -> Result<(), Error> {
    let filter = EnvFilter::try_new(level)
        .map_err(|source| Error::Level { level: level.to_owned(), source })?;
    let subscriber = fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Format::Text => subscriber.with_ansi(io::stderr().is_terminal()).finish().try_init(),
        Format::Json => subscriber.json().flatten_event(true).finish().try_init(),
    }
    .map_err(Error::Begun)
}

#[cfg(test)]
mod tests;
