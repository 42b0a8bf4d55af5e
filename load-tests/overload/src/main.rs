//! Overloads the real edge, scenario by scenario, and compares what its layers make of that with
//! the bars.
//!
//! Prints each measure with its bar, its figure, and the figure with all layers off. How to read
//! them is in `docs/reference/overload-bars.md`, which `--write` writes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use headgate_load::machine::Machine;
use headgate_types::parse_duration;

use crate::{
    lab::Lab,
    report::{HEAD, Rows},
    scenarios::Scenario,
};

mod lab;
mod report;
mod scenarios;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Overloads the real edge, and compares what its layers make of that with the bars.
///
/// `cargo xtask load overload` builds the edge first and names it.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag, named as it is given")]
struct Arguments {
    /// Scenarios by their number, such as A1, or a whole group, such as D. Without any: all.
    only: Vec<String>,
    /// Shorter times, for a look; bars are then missed by noise more often.
    #[arg(long)]
    quick: bool,
    /// Ends with 1 when a bar is missed, or met with the layers off where it must not be.
    #[arg(long)]
    check: bool,
    /// Leaves out the runs with the layers off.
    #[arg(long)]
    on_only: bool,
    /// Tells how the requests of each run were answered: by status, 0 for a connection that broke,
    /// and by code.
    #[arg(long)]
    answers: bool,
    /// Writes the page with the table.
    #[arg(long)]
    write: bool,
    /// How often each scenario runs, with other arrivals each time.
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// Chooses the arrivals of the first round.
    #[arg(long, default_value_t = 1001)]
    seed: u64,
    /// The time of half load in A7, such as 30m.
    #[arg(long, value_parser = parse_duration)]
    soak: Option<Duration>,
    /// The edge's binary. Without this: what `HEADGATE_BIN` names.
    #[arg(long)]
    edge: Option<PathBuf>,
}

/// Where `--write` writes.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/overload-bars.md");

#[expect(clippy::print_stderr, reason = "this is where faults are told")]
fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("headgate-load-overload: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, reason = "the table is what the caller wants")]
fn run(arguments: &Arguments) -> Result<bool> {
    let chosen = chosen(&arguments.only)?;
    ensure!(arguments.rounds > 0, "nothing would be measured");
    let edge = arguments.edge.clone().or_else(|| env::var_os("HEADGATE_BIN").map(PathBuf::from));
    let edge = edge.context("neither --edge nor HEADGATE_BIN says where the edge is")?;
    let machine = Machine::read()?;
    let mut lab = Lab::new(edge, arguments.seed, arguments.quick)?;
    lab.tells_answers = arguments.answers;
    lab.soak = arguments.soak.map(|time| time.as_secs_f64());
    print!("{HEAD}");
    let mut all = Vec::with_capacity(chosen.len());
    for scenario in chosen {
        let rows = measure(&mut lab, scenario, arguments)
            .with_context(|| format!("scenario {}", scenario.id))?;
        print!("{}", rows.lines());
        all.push(rows);
    }
    if arguments.write {
        let edge = version(&lab.edge);
        let (cores, rounds, is_quick) = (lab.cores, arguments.rounds, lab.is_quick);
        let run = report::Run { machine, cores, edge, rounds, is_quick };
        fs::write(Path::new(PAGE), report::page(&run, &all)).context("can't write the page")?;
    }
    Ok(judge(&all) || !arguments.check)
}

/// Whether all bars are met, and none without layers that must not be; tells the others.
#[expect(clippy::print_stderr, reason = "what is missed has to be seen beside the table")]
fn judge(all: &[Rows]) -> bool {
    let mut is_met = true;
    for rows in all {
        let missed = rows.missed();
        if !missed.is_empty() {
            eprintln!("{} misses: {}", rows.scenario.id, missed.join(", "));
        }
        if !rows.proves() {
            eprintln!("{} is met with the layers off, so it proves nothing", rows.scenario.id);
        }
        is_met &= missed.is_empty() && rows.proves();
    }
    is_met
}

fn measure(lab: &mut Lab, scenario: Scenario, arguments: &Arguments) -> Result<Rows> {
    let (title, measures) = scenario.terms()?;
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        lab.seed = arguments.seed + round;
        lab.protects = true;
        on.push((scenario.run)(lab)?);
        // What is only there to fail needs no more than one.
        if scenario.fails_unprotected && !arguments.on_only && round == 0 {
            lab.protects = false;
            off.push((scenario.run)(lab)?);
        }
    }
    Ok(Rows { scenario, title, measures, on, off })
}

/// The scenarios whose numbers begin so, in the order of the table.
fn chosen(only: &[String]) -> Result<Vec<Scenario>> {
    let mut all = scenarios::all();
    all.sort_by_key(|scenario| scenario.id);
    for wanted in only {
        if !all.iter().any(|one| one.id.starts_with(wanted.as_str())) {
            let known: Vec<_> = all.iter().map(|one| one.id).collect();
            bail!("no scenario is called `{wanted}`; there are: {}", known.join(", "));
        }
    }
    all.retain(|one| only.is_empty() || only.iter().any(|id| one.id.starts_with(id.as_str())));
    Ok(all)
}

fn version(edge: &Path) -> String {
    let output = Command::new(edge).arg("--version").output().ok();
    let text = output.and_then(|output| String::from_utf8(output.stdout).ok());
    text.and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_else(|| "edge".to_owned())
}
