//! The edge's files for a run.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use headgate_load::teams::Teams;

use crate::token::{AUDIENCE, ISSUER, Token};

const PLATFORM: &str = include_str!("../scenarios/edge/headgate.toml");
/// Where the team's file lies, below the platform's.
pub(crate) const TEAM_FILE: &str = "routes.d/load/load.toml";
const TEAM: &str = include_str!("../scenarios/edge/load.toml");

/// Writes the files into `folder` and returns the path of `headgate.toml`.
///
/// # Errors
///
/// The folder can't be written.
pub(crate) fn write(
    folder: &Path,
    origin: SocketAddr,
    token: &Token,
    teams: Teams,
) -> Result<PathBuf> {
    let mut platform = PLATFORM.replace("ISSUER", ISSUER).replace("AUDIENCE", AUDIENCE);
    platform.push_str(&teams.claims());
    let load = TEAM.replace("ORIGIN", &origin.to_string());
    let files = [
        ("headgate.toml".to_owned(), platform),
        ("jwks.json".to_owned(), token.key_set.clone()),
        (TEAM_FILE.to_owned(), load),
    ];
    for (path, text) in files.into_iter().chain(teams.files()) {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(folder.join("headgate.toml"))
}
