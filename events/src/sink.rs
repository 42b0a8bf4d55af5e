//! Writes topics into tables of `PostgreSQL`, each event exactly once.
//!
//! A row and the offset behind its event are written in one transaction, and the offset moves only
//! from where it was seen: so a sink that was thought dead writes nothing when it comes back, and
//! one that starts again goes on where the table stands, whatever the log believes. A row gives way
//! only to one with a higher sequence. What does not fit a table is kept beside it, in
//! `headgate_rejected`, and holds nothing up.

mod error;
#[cfg(all(feature = "sink", feature = "testing"))]
mod local;
#[cfg(feature = "sink")]
mod rows;
#[cfg(feature = "sink")]
mod run;
#[cfg(feature = "sink")]
mod running;
mod settings;
#[cfg(feature = "sink")]
mod sql;
#[cfg(feature = "sink")]
mod table;

#[cfg(all(feature = "sink", feature = "testing"))]
pub use self::local::PostgresLocal;
#[cfg(feature = "sink")]
pub use self::running::{Done, Sink};
pub use self::{
    error::SinkError,
    settings::{
        BATCH_ROWS_MAX, BATCH_WAIT, Column, Kind, ParseFromError, Schema, Settings, Table, Url,
        Value,
    },
};
