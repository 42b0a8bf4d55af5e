//! `headgate demo`: an edge with three sample BFFs, or two edges on one log, and things to try.

mod bff;
mod orders;
mod pair;
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

pub(crate) use self::pair::Missing;
use crate::{
    args,
    demo::{orders::Functions, pair::Servers, token::Signer, tour::Tour},
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

/// What both settings of the demo have.
struct Parts<'a> {
    /// For everything that goes with the demo.
    folder: &'a Path,
    /// The files but the platform's, by their paths beside it.
    files: Vec<(PathBuf, String)>,
    /// Of the caller that the demo's commands are of.
    token: &'a str,
    /// What the function that ships is written in.
    ships_in: &'static str,
}

/// Starts the BFFs and the edge, or two of them, prints what to try, and serves until a signal.
///
/// # Errors
///
/// [`Missing`] for a server that the second setting stands on; when no port is free or a thread
/// can't be started.
pub(crate) fn demo(args: &args::Demo, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let folder = Folder::new()?;
    let signer = Signer::new()?;
    let functions = Functions::start(&folder.0)?;
    let (files, ships_in) = (files(&signer, &functions)?, functions.ships_in());
    let token = signer.token("ada", "tv-4711")?;
    let parts = Parts { folder: &folder.0, files, token: &token, ships_in };
    if let (Some(kafka), Some(dynamodb)) = (&args.kafka, &args.dynamodb) {
        return pair::pair(&parts, &Servers { kafka, dynamodb }, output);
    }
    let loaded = configuration(&parts)?;
    serve(Start::fixed(loaded)?, |addresses| {
        Tour { addresses, token: parts.token, ships_in: parts.ships_in }.print(output)
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

/// The example's own files but the platform's, with the addresses of what was started for them.
fn files(signer: &Signer, functions: &Functions) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let routes = Path::new("routes.d");
    let mut files = vec![
        (PathBuf::from("jwks.json"), signer.jwks()),
        (routes.join("tv/orders.toml"), functions.file.clone()),
    ];
    for team in TEAMS {
        let address = bff::start(team.name)?.to_string();
        let path = routes.join(team.name).join("home.toml");
        files.push((path, team.file.replace(team.address, &address)));
    }
    Ok(files)
}

/// The platform's file, with addresses that are free and a folder below that of the edge.
fn platform([edge, admin]: [&str; 2], folder: &Path) -> anyhow::Result<String> {
    let platform = PLATFORM.replace(EDGE, &free(edge)?).replace(ADMIN, &free(admin)?);
    // A text in JSON is one in TOML.
    let dir = serde_json::json!(folder.join("data").display().to_string());
    Ok(format!("{platform}\n[data]\ndir = {dir}\n"))
}

fn configuration(parts: &Parts<'_>) -> anyhow::Result<Loaded> {
    let folder = Path::new("demo");
    let main = folder.join("headgate.toml");
    let mut files = Memory::default().with(&main, platform([EDGE, ADMIN], parts.folder)?);
    for (path, text) in &parts.files {
        files = files.with(folder.join(path), text.as_str());
    }
    load_from(&files, &main, &BTreeMap::new())
        .map_err(|faults| anyhow::anyhow!("the demo's own files have faults: {faults}"))
}

/// The address itself, or one with a free port where it is taken.
fn free(address: &str) -> anyhow::Result<String> {
    let wanted: SocketAddr = address.parse().context("demo address")?;
    let is_free = TcpListener::bind(wanted).is_ok();
    Ok(if is_free { address.to_owned() } else { SocketAddr::new(wanted.ip(), 0).to_string() })
}
