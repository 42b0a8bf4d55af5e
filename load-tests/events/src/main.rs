//! Measures and breaks the way of events, and tells what came of it.

use std::{env, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Parser;
use headgate_load_events::{Crashes, Cycles, On, Part, crashes, cycles, priorities};
use headgate_load_exactly_once::Machine;

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds between two troubles on the workers' ways.
const CUT_EVERY: u64 = 12;
/// Seconds between two stops of a worker.
const STOP_EVERY: u64 = 30;
/// Seconds between two times that a worker leaves and another one joins.
const LEAVE_EVERY: u64 = 3;
/// Of all deliveries, the share that may be made again because of that.
const REDELIVERED_MAX: f64 = 0.05;
/// For how long nothing may be done because of that.
const STILL_MAX: Duration = Duration::from_secs(10);
/// After a way is whole again, something must be done within this.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// Measures and breaks the way of events.
#[derive(Debug, Parser)]
struct Arguments {
    /// A part of the work, as a process of its own.
    #[command(subcommand)]
    part: Option<Part>,
    /// Only this scenario: `cycles`, `priorities`, `embedded`, `kafka`, `cuts` or
    /// `storm`.
    #[arg(long)]
    only: Option<String>,
    /// Different events.
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Seconds of half of the rate that cycles must reach. From 120 on, memory must stay what it is.
    #[arg(long, default_value_t = 300)]
    half_load: u64,
    /// Seconds in which more comes than can be done.
    #[arg(long, default_value_t = 180)]
    overload: u64,
    /// Milliseconds between two kills of a worker. Zero: none is killed. Without it: as usual for
    /// the scenario.
    #[arg(long)]
    kill_every: Option<u64>,
    /// Seconds between two kills of the broker. Zero: it is not killed.
    #[arg(long, default_value_t = 20)]
    break_every: u64,
    /// Minutes after which the work must be done.
    #[arg(long, default_value_t = 40)]
    within: u64,
    /// Of all that happens by chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the data lies: the disk that is used.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(part) = &arguments.part {
        part.run()?;
        return Ok(ExitCode::SUCCESS);
    }
    let Machine { model, cores, kernel, load_before, floor_us } = Machine::read(&arguments.folder)?;
    say(&format!(
        "{model}, {cores} cores, Linux {kernel}, load before {load_before}, F {floor_us} µs"
    ));
    let wants = |name: &str| arguments.only.as_ref().is_none_or(|only| only == name);
    let mut holds = true;
    if wants("cycles") {
        holds &= measure_cycles(&arguments)?;
    }
    if wants("priorities") {
        let folder = tempfile::tempdir_in(&arguments.folder)?;
        let found = priorities(Duration::from_secs(arguments.overload), folder.path())?;
        say(&found.to_string());
        holds &= found.holds();
    }
    let crashes = [
        ("embedded", On::Embedded, 1_500),
        ("kafka", On::Kafka, 1_000),
        ("cuts", On::Kafka, 0),
        ("storm", On::Kafka, 0),
    ];
    for (name, on, kill) in crashes {
        if wants(name) {
            holds &= break_workers(&arguments, name, (on, kill))?;
        }
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure_cycles(arguments: &Arguments) -> Result<bool> {
    let folder = tempfile::tempdir_in(&arguments.folder)?;
    let half_load = Duration::from_secs(arguments.half_load);
    let rate = cycles(&Cycles { events: arguments.keys, half_load }, folder.path())?;
    say(&rate.to_string());
    Ok(rate.holds())
}

fn break_workers(arguments: &Arguments, name: &str, (on, kill): (On, u64)) -> Result<bool> {
    let folder = tempfile::tempdir_in(&arguments.folder)?;
    let every = |scenario, seconds| (name == scenario).then_some(Duration::from_secs(seconds));
    let are_broken = !matches!(name, "cuts" | "storm");
    let report = crashes(&Crashes {
        on,
        keys: arguments.keys,
        kill_every: some(Duration::from_millis(arguments.kill_every.unwrap_or(kill))),
        break_every: some(Duration::from_secs(arguments.break_every)).filter(|_| are_broken),
        breaks_max: None,
        cut_every: every("cuts", CUT_EVERY),
        stop_every: every("cuts", STOP_EVERY),
        leave_every: every("storm", LEAVE_EVERY),
        within: Duration::from_mins(arguments.within),
        program: env::current_exe()?,
        folder: folder.path().to_owned(),
        seed: arguments.seed,
    })?;
    say(&report.to_string());
    let is_calm = name != "storm"
        || (report.redelivered() <= REDELIVERED_MAX && report.troubles().still() <= STILL_MAX);
    Ok(report.holds() && report.troubles().recovery() <= RECOVERY_MAX && is_calm)
}

fn some(length: Duration) -> Option<Duration> {
    (!length.is_zero()).then_some(length)
}

#[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
fn say(text: &str) {
    println!("{text}");
}
