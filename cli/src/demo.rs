//! `headgate demo`: an edge with three sample BFFs, and things to try.

mod bff;
mod orders;
mod token;
mod tour;

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use headgate_config::{Loaded, Memory, load_from};

use crate::{
    demo::{orders::Functions, token::Signer, tour::Tour},
    output::Output,
    reload::Start,
    serve::serve,
};

const PLATFORM: &str = include_str!("../../examples/demo/headgate.toml");
const EDGE: &str = "127.0.0.1:8080";
const ADMIN: &str = "127.0.0.1:9900";

/// A sample team: its name, its file, and the address in it that its BFF takes.
struct Team {
    name: &'static str,
    file: &'static str,
    address: &'static str,
}

const TEAMS: [Team; 3] = [
    Team {
        name: "tv",
        file: include_str!("../../examples/demo/routes.d/tv/home.toml"),
        address: "127.0.0.1:7001",
    },
    Team {
        name: "ios",
        file: include_str!("../../examples/demo/routes.d/ios/home.toml"),
        address: "127.0.0.1:7002",
    },
    Team {
        name: "web",
        file: include_str!("../../examples/demo/routes.d/web/home.toml"),
        address: "127.0.0.1:7003",
    },
];

/// Starts the BFFs and the edge, prints what to try, and serves until a signal.
///
/// # Errors
///
/// When no port is free or a thread can't be started.
pub(crate) fn demo(output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let folder = Folder::new()?;
    let signer = Signer::new()?;
    let functions = Functions::start(&folder.0)?;
    let loaded = configuration(&signer, &functions, &folder)?;
    let token = signer.token("ada", "tv-4711")?;
    let ships_in = functions.ships_in();
    serve(Start::fixed(loaded)?, |addresses| {
        Tour { addresses, token: &token, ships_in }.print(output)
    })
}

/// A folder for the log and the records, which goes with the demo.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let name = format!("headgate-demo-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).context("folder for the demo's log")?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, "the demo's folder is left");
        }
    }
}

/// The example's own files, with the addresses that are free on this machine.
fn configuration(signer: &Signer, functions: &Functions, data: &Folder) -> anyhow::Result<Loaded> {
    let platform = PLATFORM.replace(EDGE, &free(EDGE)?).replace(ADMIN, &free(ADMIN)?);
    // A text in JSON is one in TOML.
    let dir = serde_json::json!(data.0.join("data").display().to_string());
    let platform = format!("{platform}\n[data]\ndir = {dir}\n");
    let folder = Path::new("demo");
    let mut files = Memory::default()
        .with(folder.join("headgate.toml"), platform)
        .with(folder.join("jwks.json"), signer.jwks())
        .with(folder.join("routes.d/tv/orders.toml"), functions.file.as_str());
    for team in TEAMS {
        let address = bff::start(team.name)?;
        let path = folder.join("routes.d").join(team.name).join("home.toml");
        files = files.with(path, team.file.replace(team.address, &address.to_string()));
    }
    load_from(&files, &folder.join("headgate.toml"), &BTreeMap::new())
        .map_err(|faults| anyhow::anyhow!("the demo's own files have faults: {faults}"))
}

/// The address itself, or one with a free port where it is taken.
fn free(address: &str) -> anyhow::Result<String> {
    let wanted: SocketAddr = address.parse().context("demo address")?;
    let is_free = TcpListener::bind(wanted).is_ok();
    Ok(if is_free { address.to_owned() } else { SocketAddr::new(wanted.ip(), 0).to_string() })
}
