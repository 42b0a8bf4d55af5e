//! Runs workers whose effects must happen once, kills and stops them, and tells what came of it.

use std::{env, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use headgate_idempotency::testing::DynamoDbLocal;
use headgate_load_exactly_once::{
    Crashes, Machine, Part, Places, Report, Zombies, crashes, keep, page, zombies,
};

/// Kills and stops workers, and counts their effects.
#[derive(Debug, Parser)]
struct Arguments {
    /// A part of the work, as a process of its own.
    #[command(subcommand)]
    part: Option<Part>,
    /// Only this scenario: `crashes` or `zombies`.
    #[arg(long)]
    only: Option<String>,
    /// Different events of the crashes.
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Kills of the crashes at least.
    #[arg(long, default_value_t = 60)]
    kills: u64,
    /// Stops of the zombies.
    #[arg(long, default_value_t = 1_000)]
    stops: u64,
    /// Of all that happens by chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the data lies: the disk that is used.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// The day, as 2026-01-31: the result is kept in `load-tests/results` under it.
    #[arg(long)]
    date: Option<String>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(part) = &arguments.part {
        part.run()?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_date = |date: &String| date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    ensure!(arguments.date.iter().all(is_date), "a date is digits and hyphens, as 2026-01-31");
    let machine = Machine::read(&arguments.folder)?;
    let mut reports = Vec::new();
    for (name, run) in [("crashes", in_full_crashes as Run), ("zombies", in_full_zombies)] {
        if arguments.only.as_ref().is_none_or(|only| only == name) {
            let folder = tempfile::tempdir_in(&arguments.folder)?;
            let places = Places { program: env::current_exe()?, folder: folder.path().to_owned() };
            reports.push(run(&arguments, &places).with_context(|| format!("scenario {name}"))?);
        }
    }
    ensure!(!reports.is_empty(), "no scenario has that name");
    say(&page(&reports, &machine, arguments.date.as_deref()));
    if let Some(date) = &arguments.date {
        say(&format!("\nkept as {}", keep(&reports, &machine, date)?.display()));
    }
    let holds = reports.iter().all(Report::holds);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Run = fn(&Arguments, &Places) -> Result<Report>;

fn in_full_crashes(arguments: &Arguments, places: &Places) -> Result<Report> {
    let sizes = Crashes {
        keys: arguments.keys,
        partitions: 16,
        kills_min: arguments.kills,
        life: Duration::from_secs(1)..Duration::from_secs(3),
        lease: Duration::from_millis(300),
        within: Duration::from_mins(10),
        seed: arguments.seed,
    };
    crashes(&sizes, places)
}

fn in_full_zombies(arguments: &Arguments, places: &Places) -> Result<Report> {
    let local = DynamoDbLocal::shared().context("DynamoDB Local is left out")?;
    let sizes = Zombies {
        endpoint: local.endpoint().to_owned(),
        partitions: 4,
        stops: arguments.stops,
        stops_per_kill: 20,
        lease: Duration::from_millis(200),
        effect: Duration::from_millis(20),
        within: Duration::from_mins(20),
        seed: arguments.seed,
    };
    zombies(&sizes, places)
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn say(text: &str) {
    println!("{text}");
}
