//! `headgate demo`: an edge with three sample BFFs, and things to try.

mod bff;
mod token;

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::ExitCode,
};

use anyhow::Context as _;
use headgate_config::{Loaded, Memory, load_from};

use crate::{
    demo::token::Signer,
    output::Output,
    reload::Start,
    serve::{Addresses, serve},
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
    let signer = Signer::new()?;
    let loaded = configuration(&signer)?;
    let token = signer.token("ada", "tv-4711")?;
    serve(Start::fixed(loaded)?, |addresses| print_tour(addresses, &token, output))
}

/// The example's own files, with the addresses that are free on this machine.
fn configuration(signer: &Signer) -> anyhow::Result<Loaded> {
    let platform = PLATFORM.replace(EDGE, &free(EDGE)?).replace(ADMIN, &free(ADMIN)?);
    let folder = Path::new("demo");
    let mut files = Memory::default()
        .with(folder.join("headgate.toml"), platform)
        .with(folder.join("jwks.json"), signer.jwks());
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

fn print_tour(addresses: &Addresses, token: &str, output: &mut Output<'_>) -> io::Result<()> {
    let (edge, admin) = (addresses.edge_url(), addresses.admin_url());
    if output.json {
        let tour = serde_json::json!({ "edge": [edge], "admin": admin, "token": token });
        return output.json_line(&tour);
    }
    let out = &mut output.out;
    writeln!(
        out,
        "Headgate demo: one edge, three device teams, one BFF each.

  edge   {edge}
  admin  {admin}

One path, three devices, three BFFs:
  curl -H 'x-app: tv/7.2' {edge}/home
  curl -H 'x-app: ios/3.1' {edge}/home
  curl {edge}/home

A route that asks who you are, without and with a token (the BFF gets a Passport):
  curl -i -H 'x-app: tv/7.2' {edge}/profile
  curl -H 'x-app: tv/7.2' -H 'authorization: Bearer {token}' {edge}/profile

What clients are told when something is wrong: no route, a dead BFF, a slow one:
  curl -i {edge}/nowhere
  curl -i {edge}/gone
  curl -i -H 'x-app: ios/3.1' {edge}/slow

What operators see:
  curl {admin}/v1/status
  curl {admin}/metrics

Each request prints one access line below. Ctrl-C ends the demo.
"
    )?;
    out.flush()
}
