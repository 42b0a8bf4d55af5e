//! Times the loader on a configuration of many teams, made up in memory.
//!
//! Three loads in each round: the first of all, a second with one team's file changed, and a third
//! with that file at fault. Prints the median of each, and ends with 1 when one misses its bar: 2 s
//! for the first load, 1 s for those after it.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _, path::Path, time::Duration};

use anyhow::{Result, anyhow, bail, ensure};
use clap::Parser;
use headgate_config::{Ask, Kept, Loaded, Memory, PartState, load_layered};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::disallowed_types, reason = "the subject is real time, and nothing here is paused")]
type Stopwatch = std::time::Instant;

const FIRST_MAX: Duration = Duration::from_secs(2);
const NEXT_MAX: Duration = Duration::from_secs(1);

/// Times the loader on a configuration of many teams.
#[derive(Debug, Parser)]
struct Arguments {
    /// Teams, each with one file.
    #[arg(long, default_value_t = 500)]
    teams: usize,
    /// Routes of each team, five to an upstream.
    #[arg(long, default_value_t = 200)]
    routes: usize,
    /// How often everything is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let files = files(&arguments);
    let last = arguments.teams.checked_sub(1).ok_or_else(|| anyhow!("no teams"))?;
    let routes = arguments.teams * arguments.routes;
    let changed = files.clone().with(path(last), team(last, arguments.routes, "/changed"));
    let broken = files.clone().with(path(last), "team = ");
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..arguments.rounds {
        let first = timed(&files, None, &mut times[0])?;
        ensure!(first.settings.routes.len() == routes, "routes are missing");
        let second = timed(&changed, Some(&first.kept), &mut times[1])?;
        ensure!(second.digest != first.digest, "the change had no effect");
        drop(first);
        let third = timed(&broken, Some(&second.kept), &mut times[2])?;
        let state = third.parts.last().map(|part| part.state);
        ensure!(state == Some(PartState::LastGood), "the team at fault runs {state:?}");
        ensure!(third.digest == second.digest, "what is in force has changed");
    }
    let mut out = std::io::stdout();
    writeln!(out, "{routes} routes of {} teams, {} rounds", arguments.teams, arguments.rounds)?;
    let mut is_missed = false;
    let loads = [
        ("first load", FIRST_MAX),
        ("one file changed", NEXT_MAX),
        ("one file at fault", NEXT_MAX),
    ];
    for ((name, bar), times) in loads.into_iter().zip(&mut times) {
        times.sort();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        is_missed |= median > bar;
        writeln!(out, "{name:<18} {:>5} ms, bar {:>5} ms", median.as_millis(), bar.as_millis())?;
    }
    if is_missed {
        bail!("a bar is missed");
    }
    Ok(())
}

fn timed(files: &Memory, kept: Option<&Kept>, times: &mut Vec<Duration>) -> Result<Loaded> {
    let environment = BTreeMap::new();
    let ask = Ask {
        files,
        path: Path::new("headgate.toml"),
        environment: &environment,
        overlays: &[],
        kept,
        use_kept_platform: false,
        now: None,
    };
    #[expect(clippy::disallowed_methods, reason = "the subject is real time")]
    let start = Stopwatch::now();
    let loaded = load_layered(&ask)?;
    times.push(start.elapsed());
    Ok(loaded)
}

fn name(team: usize) -> String {
    format!("team{team:04}")
}

fn path(team: usize) -> String {
    format!("routes.d/{}/routes.toml", name(team))
}

fn files(arguments: &Arguments) -> Memory {
    let mut platform = "[identity.accounts]\njwks = \"https://id.example/jwks.json\"\n\
        [[device]]\nname = \"tv\"\nwhen = [\"header x-app ~ '^tv/'\"]\n"
        .to_owned();
    for team in 0..arguments.teams {
        let claim = format!("[team.{0}]\nclaims = [{{ prefix = \"/{0}/\" }}]\n", name(team));
        platform.push_str(&claim);
    }
    let all = Memory::default().with("headgate.toml", platform);
    (0..arguments.teams)
        .fold(all, |all, one| all.with(path(one), team(one, arguments.routes, "/route")))
}

fn team(number: usize, routes: usize, below: &str) -> String {
    let name = name(number);
    let mut text = format!("team = \"{name}\"\n");
    for upstream in 0..routes.div_ceil(5) {
        // Writing to a text can't fail.
        let _infallible = writeln!(
            text,
            "[upstream.up{upstream}]\nendpoints = [\"127.0.0.1:7001\", \"127.0.0.1:7002\"]"
        );
    }
    for route in 0..routes {
        let device = if route % 4 == 0 { " device=tv" } else { "" };
        let _infallible = writeln!(
            text,
            "[route.route{route}]\nmatch = \"GET /{name}{below}{route}/{{id}}{device}\"\n\
             to = \"up{}\"\nauth = \"accounts\"\ntimeout = \"900ms\"\n\
             retry = {{ max = 2, on = [\"connect\", \"503\"] }}",
            route / 5
        );
    }
    text
}
