//! The configuration: reads `headgate.toml` and the teams' files, reports every fault at once with
//! its file, line and caret, and makes the settings of an edge from what is good.
//!
//! The documents are structs; their JSON Schema, generated from them, is what files
//! are checked against, what `headgate schema` prints and what the reference page is made of.

mod document;
pub mod schema;

mod environment;
mod fault;
mod files;
mod load;
mod source;
mod walk;

mod digest;
mod resolve;

mod changes;

pub mod reference;

pub use crate::{
    changes::{Change, Class, SHOWN_CHARS_MAX, changes, changes_between},
    fault::{Code, FAULTS_MAX, Fault, Faults, Location, Related, Style},
    files::{Disk, FILE_BYTES_MAX, FILES_MAX, Files, Memory, TOTAL_BYTES_MAX},
    load::{LOCAL_REGION, Loaded, Origin, Records, RouteOrigin, load, load_from},
};
