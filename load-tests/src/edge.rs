//! The edge's files for a run.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::token::{AUDIENCE, ISSUER, Token};

const PLATFORM: &str = include_str!("../scenarios/edge/headgate.toml");
const TEAM: &str = include_str!("../scenarios/edge/load.toml");

/// Writes the files into `folder` and returns the path of `headgate.toml`.
///
/// # Errors
///
/// The folder can't be written.
pub(crate) fn write(folder: &Path, origin: SocketAddr, token: &Token) -> Result<PathBuf> {
    let team = folder.join("routes.d").join("load");
    let platform = folder.join("headgate.toml");
    fs::create_dir_all(&team)
        .and_then(|()| {
            let text = PLATFORM.replace("ISSUER", ISSUER).replace("AUDIENCE", AUDIENCE);
            fs::write(&platform, text)?;
            fs::write(folder.join("jwks.json"), &token.key_set)?;
            fs::write(team.join("load.toml"), TEAM.replace("ORIGIN", &origin.to_string()))
        })
        .with_context(|| format!("can't write into {}", folder.display()))?;
    Ok(platform)
}
