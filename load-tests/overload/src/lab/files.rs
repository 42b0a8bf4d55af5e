//! The edge's files for a scenario.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::setup::{Concurrency, Setup};

/// Writes them into `folder`, and returns the path of `headgate.toml`.
///
/// # Errors
///
/// The folder can't be written.
pub(crate) fn write(folder: &Path, setup: &Setup, origins: &[SocketAddr]) -> Result<PathBuf> {
    let team = folder.join("routes.d/load");
    let path = folder.join("headgate.toml");
    fs::create_dir_all(&team)
        .and_then(|()| fs::write(team.join("load.toml"), routes(setup, origins)))
        .and_then(|()| fs::write(&path, platform(setup, folder)))
        .with_context(|| format!("can't write {}", folder.display()))?;
    Ok(path)
}

fn platform(setup: &Setup, folder: &Path) -> String {
    let log = if setup.logs { "stdout" } else { "off" };
    let mode = mode(setup.protects);
    let (data, overload) = (folder.join("data"), &setup.overload);
    format!(
        "[edge]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\naccess_log = \"{log}\"\n\
         trusted_peers = [\"127.0.0.0/8\"]\n\n\
         [edge.overload]\nmode = \"{mode}\"\n{overload}\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\n[data]\ndir = \"{}\"\n\n[routes]\ndir = \"routes.d\"\n\n\
         [team.load]\nclaims = [{{ host = \"*\", prefix = \"/load/\" }}]\n\
         ceiling = {{ priority = \"critical\", public = true }}\n",
        data.display(),
    )
}

fn routes(setup: &Setup, origins: &[SocketAddr]) -> String {
    let every = std::iter::once(0..origins.len()).collect();
    let upstreams = if setup.upstreams.is_empty() { &every } else { &setup.upstreams };
    let mode = mode(setup.protects);
    let (limit, throttle) = (limit(setup), setup.throttle.unwrap_or(mode));
    let retry = if setup.retries {
        format!(
            "{{ max = 1, on = [\"connect\", \"reset\", \"500\"], budget = \"10%\", mode = \"{mode}\" }}"
        )
    } else {
        "{ max = 0, on = [] }".to_owned()
    };
    let mut text = "team = \"load\"\n".to_owned();
    for (number, endpoints) in upstreams.iter().enumerate() {
        let addresses = origins.get(endpoints.clone()).unwrap_or_default();
        let addresses: Vec<_> = addresses.iter().map(|one| format!("\"{one}\"")).collect();
        let _written = write!(
            text,
            "\n[upstream.u{number}]\nendpoints = [{}]\nmax_connections = 16384\n\
             concurrency = {limit}\nbreaker = {{ mode = \"{mode}\" }}\n\n\
             [route.r{number}]\nmatch = \"GET /load/r{number}/{{service}}\"\nto = \"u{number}\"\n\
             priority = \"critical\"\ntimeout = \"{}ms\"\nthrottle = {{ mode = \"{throttle}\" }}\n\
             retry = {retry}\n",
            addresses.join(", "),
            (setup.timeout_seconds * 1000.0).round(),
        );
    }
    text + "\n" + &setup.team
}

fn limit(setup: &Setup) -> String {
    let Concurrency { initial, max, mode } = setup.concurrency;
    let mode = mode.unwrap_or(self::mode(setup.protects));
    let mut text = format!("{{ mode = \"{mode}\"");
    for (key, value) in [("initial", initial), ("max", max)] {
        if let Some(value) = value {
            let _written = write!(text, ", {key} = {value}");
        }
    }
    text + " }"
}

const fn mode(acts: bool) -> &'static str {
    if acts { "enforce" } else { "off" }
}
