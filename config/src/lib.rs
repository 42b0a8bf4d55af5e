//! The configuration: reads `headgate.toml` and the teams' files, reports every fault at once with
//! its file, line and caret, and makes the settings of an edge from what is good.
//!
//! The documents are structs; their JSON Schema, generated from them, is what files
//! are checked against, what `headgate schema` prints and what the reference page is made of.

mod data_dir;
mod document;
pub mod schema;

mod environment;
mod fault;
mod files;
mod kept;
mod layered;
mod load;
mod name_servers;
mod overlay;
mod provenance;
mod source;
mod walk;

mod reads;
mod secret;
mod watch;

mod digest;
mod resolve;

mod changes;

pub mod control;

pub mod audit;
pub mod reference;

pub use crate::{
    changes::{Change, Class, SHOWN_CHARS_MAX, changes, changes_between, waiting},
    data_dir::data_dir,
    digest::digest_of_bytes,
    fault::{Code, FAULTS_MAX, Fault, Faults, Location, Related, Style},
    files::{
        Disk, Entry, EntryKind, FILE_BYTES_MAX, FILES_MAX, Files, Memory, TEAM_BYTES_MAX,
        TEAM_FILES_MAX, TOTAL_BYTES_MAX,
    },
    kept::{Kept, KeptPart},
    layered::{Ask, Part, PartState, load_layered},
    load::{
        EventLog, Exchanges, LOCAL_REGION, Loaded, Origin, Probe, Records, RouteOrigin, Sink,
        environment, load, load_at, load_from, load_from_at,
    },
    name_servers::name_servers,
    overlay::{LeftOut, OVERLAY_BYTES_MAX, OVERLAYS_MAX, Overlay, may_overlay},
    provenance::{Layer, Provenance, Setting, Why},
    reads::{Noted, Reads},
    secret::{ParseSecretError, Secret, SecretError},
    watch::{Watch, Watching},
};
