//! Times the loader on a configuration of many teams, made up in memory.
//!
//! Three loads in each round: the first of all, a second with one team's file changed, and a third
//! with that file at fault. Prints the median of each, and ends with 1 when one misses its bar: 2 s
//! for the first load, 1 s for those after it.

use std::{collections::BTreeMap, io::Write as _, path::Path, time::Duration};

use anyhow::{Result, anyhow, bail, ensure};
use clap::Parser;
use headgate_config::{Ask, Kept, Loaded, Memory, PartState, load_layered};
use headgate_load::teams::Teams;

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
    let teams = Teams { count: arguments.teams, routes: arguments.routes };
    let files = files(teams);
    let last = arguments.teams.checked_sub(1).ok_or_else(|| anyhow!("no teams"))?;
    let routes = arguments.teams * arguments.routes;
    let (path, text) = teams.file(last, "/changed");
    let changed = files.clone().with(&path, text);
    let broken = files.clone().with(&path, "team = ");
    let (mut firsts, mut nexts, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let first = timed(&files, None, &mut firsts)?;
        ensure!(first.settings.routes.len() == routes, "routes are missing");
        let second = timed(&changed, Some(&first.kept), &mut nexts)?;
        ensure!(second.digest != first.digest, "the change had no effect");
        drop(first);
        let third = timed(&broken, Some(&second.kept), &mut faults)?;
        let state = third.parts.last().map(|part| part.state);
        ensure!(state == Some(PartState::LastGood), "the team at fault runs {state:?}");
        ensure!(third.digest == second.digest, "what is in force has changed");
    }
    let mut out = std::io::stdout();
    writeln!(out, "{routes} routes of {} teams, {} rounds", arguments.teams, arguments.rounds)?;
    let mut is_missed = false;
    let loads = [
        ("first load", FIRST_MAX, firsts),
        ("one file changed", NEXT_MAX, nexts),
        ("one file at fault", NEXT_MAX, faults),
    ];
    for (name, bar, mut times) in loads {
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
    let start = Stopwatch::now();
    let loaded = load_layered(&ask)?;
    times.push(start.elapsed());
    Ok(loaded)
}

fn files(teams: Teams) -> Memory {
    let mut platform = "[identity.accounts]\njwks = \"https://id.example/jwks.json\"\n\
        [[device]]\nname = \"web\"\nwhen = [\"*\"]\n"
        .to_owned();
    platform.push_str(&teams.claims());
    let all = Memory::default().with("headgate.toml", platform);
    teams.files().fold(all, |all, (path, text)| all.with(path, text))
}
