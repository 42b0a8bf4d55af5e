//! Bounded load on loopback: the edge beside the least that its parts can be.
//!
//! `headgate-load SCENARIO` starts an origin, the bare peers and the edge, loads them in turn, prints
//! what that came to, and ends with 1 when the edge misses one of the scenario's bars. How to read
//! the figures, and what they can't say, is in `docs/guides/load-tests.md`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use headgate_load::machine::{Cores, Machine};
use headgate_load::{clock, machine, process};
use headgate_types::parse_duration;

use crate::report::{BarReport, Report, RowReport};
use crate::runner::{Binaries, Sample};
use crate::scenario::{Row, Scenario};
use crate::versions::Versions;

mod changes;
mod edge;
mod generator;
mod origin;
mod poll;
mod report;
mod runner;
mod scenario;
mod statistics;
mod token;
mod versions;
mod wire;

/// Bounded load on loopback: the edge beside the least that its parts can be.
///
/// `cargo xtask load SCENARIO` builds everything first and names the binaries.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to run: `smoke` or `reload`.
    scenario: String,
    /// The day of the run, as 2026-01-31: keeps the result as `load-tests/results/<date>-<scenario>`.
    #[arg(long)]
    date: Option<String>,
    /// Rounds, instead of the scenario's.
    #[arg(long)]
    rounds: Option<usize>,
    /// Time of each closed loop, such as `2s`, instead of the scenario's.
    #[arg(long, value_parser = parse_duration)]
    closed: Option<Duration>,
    /// Only these rows, by name and separated by commas, and the bars between them.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// The edge's binary. Without this: what `HEADGATE_BIN` names.
    #[arg(long)]
    edge: Option<PathBuf>,
    /// The folder of the peers' binaries. Without this: what `HEADGATE_PEERS` names.
    #[arg(long)]
    peers: Option<PathBuf>,
}

#[expect(clippy::print_stderr, reason = "this is where faults are told")]
fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("headgate-load: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, reason = "the report is what the caller wants")]
fn run(arguments: Arguments) -> Result<bool> {
    let scenario = scenario(&arguments)?;
    let binaries = Binaries {
        edge: path(arguments.edge, "--edge", "HEADGATE_BIN")?,
        peers: path(arguments.peers, "--peers", "HEADGATE_PEERS")?,
    };
    announce(&scenario);
    let machine = Machine::read()?;
    let cores = Cores::take()?;
    let rounds = runner::run(&scenario, &binaries, cores, progress)?;
    let rows = scenario.rows.iter().zip(&rounds);
    let report = Report {
        scenario: arguments.scenario,
        date: arguments.date,
        machine,
        cores,
        versions: Versions::read(&binaries.edge),
        rounds: scenario.rounds,
        connections: scenario.connections,
        closed_seconds: scenario.closed.as_secs_f64(),
        rows: rows.map(|(row, rounds)| RowReport::new(&row.name, rounds, &scenario.open)).collect(),
        bars: scenario.bars.iter().map(|bar| BarReport::new(bar, &scenario, &rounds)).collect(),
    };
    print!("{}", report.markdown());
    if let Some(date) = &report.date {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        println!("\nkept as {}", report.write(&folder, date)?.display());
    }
    Ok(report.holds())
}

fn scenario(arguments: &Arguments) -> Result<Scenario> {
    let mut scenario = Scenario::named(&arguments.scenario)?;
    scenario.rounds = arguments.rounds.unwrap_or(scenario.rounds);
    scenario.closed = arguments.closed.unwrap_or(scenario.closed);
    if !arguments.rows.is_empty() {
        scenario.keep(&arguments.rows);
    }
    ensure!(scenario.rounds > 0 && !scenario.rows.is_empty(), "nothing would be measured");
    let is_date = |date: &String| date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    ensure!(arguments.date.iter().all(is_date), "a date is digits and hyphens, as 2026-01-31");
    Ok(scenario)
}

fn path(given: Option<PathBuf>, flag: &str, variable: &str) -> Result<PathBuf> {
    given
        .or_else(|| env::var_os(variable).map(PathBuf::from))
        .with_context(|| format!("neither {flag} nor {variable} says where to look"))
}

#[expect(clippy::print_stderr, reason = "a run takes its time; somebody may be waiting")]
fn announce(scenario: &Scenario) {
    let (rounds, rows, length) = (scenario.rounds, scenario.rows.len(), scenario.length());
    eprintln!("{rounds} rounds of {rows} rows, {} s of load", length.as_secs());
}

#[expect(clippy::print_stderr, reason = "a run takes its time; somebody may be waiting")]
fn progress(round: usize, row: &Row, closed: &Sample) {
    let cpu = closed.cpu_per_100k.map_or(0.0, process::Cpu::total);
    let rate = closed.requests_per_second;
    eprintln!("round {} {}: {rate:.0} requests/s, {cpu:.2} CPU s per 100k", round + 1, row.name);
}
