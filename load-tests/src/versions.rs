//! Versions of what is measured, from the binary and from both lock files.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// Built into this program, which is built together with the edge.
const EDGE_LOCK: &str = include_str!("../../Cargo.lock");
const PEERS_LOCK: &str = include_str!("../peers/Cargo.lock");

/// Versions; `unknown` where none was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Versions {
    pub(crate) edge: String,
    pub(crate) edge_hyper: String,
    pub(crate) edge_pingora_core: String,
    pub(crate) edge_tokio: String,
    pub(crate) peer_hyper: String,
    pub(crate) peer_pingora_proxy: String,
    pub(crate) peer_tokio: String,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

impl Versions {
    /// Asks the edge's binary and reads the lock files.
    pub(crate) fn read(edge: &Path) -> Self {
        Self {
            edge: printed(edge).unwrap_or_else(unknown),
            edge_hyper: locked(EDGE_LOCK, "hyper"),
            edge_pingora_core: locked(EDGE_LOCK, "pingora-core"),
            edge_tokio: locked(EDGE_LOCK, "tokio"),
            peer_hyper: locked(PEERS_LOCK, "hyper"),
            peer_pingora_proxy: locked(PEERS_LOCK, "pingora-proxy"),
            peer_tokio: locked(PEERS_LOCK, "tokio"),
        }
    }
}

fn printed(binary: &Path) -> Option<String> {
    let output = Command::new(binary).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.to_owned())
}

fn locked(lock: &str, name: &str) -> String {
    let packages = toml::from_str::<Lock>(lock).map(|lock| lock.package).unwrap_or_default();
    packages.into_iter().find(|one| one.name == name).map_or_else(unknown, |one| one.version)
}

fn unknown() -> String {
    "unknown".to_owned()
}
