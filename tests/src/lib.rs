//! Starts the real binary with real files, and plays its clients and its upstreams.
//!
//! A test describes a [`Site`], starts it as an [`Edge`], and talks to it through a [`Client`] or,
//! byte by byte, through [`Raw`]. Upstreams are [`Bff`]s, which record what they see. Everything
//! waits for events within [`PATIENCE`], on ports that the system chose.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test ends at the first surprise, with its place"
)]

pub mod bff;
pub mod client;
pub mod dns;
pub mod edge;
pub mod folder;
pub mod identity;
pub mod metrics;
pub mod mmdb;
pub mod push;
pub mod raw;
pub mod shop;
pub mod site;
pub mod tls;
pub mod wait;
pub mod websocket;

pub use bff::{Bff, Connection, Seen};
pub use client::{Client, Reply, get, post};
pub use edge::{Edge, Ended};
pub use folder::Folder;
pub use raw::{Answer, Raw};
pub use shop::{Shop, keyed, keyed_in, order};
pub use site::{Site, route, upstream};
pub use wait::{PATIENCE, eventually, within};
