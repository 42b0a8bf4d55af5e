//! Bounded load on the embedded store, beside the disk's own floor.
//!
//! `headgate-load-store` measures the floor F, a bare loop of writes and syncs, and then each case
//! on a store of its own, in the same run on the same disk. It prints a table with the bar of each
//! case, and with `--enforce` it ends with 1 when one is missed.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Parser;
use headgate_store::{Embedded, FileDisk, Settings, Store};
use headgate_types::parse_duration;

mod cases;
mod disk;
mod floor;
mod loops;
mod reopen;

use crate::{disk::SlowDisk, loops::Sample};

/// What ships has this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bounded load on the embedded store, beside the disk's own floor.
#[derive(Debug, Parser)]
struct Arguments {
    /// Time of each case, such as `2s`.
    #[arg(long, default_value = "4s", value_parser = parse_duration)]
    time: Duration,
    /// Where the data lies: the disk that is measured.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Bytes that the case of reopening writes first, in MiB.
    #[arg(long, default_value_t = 256)]
    reopen_mib: u64,
    /// Ends with 1 when a bar is missed.
    #[arg(long)]
    enforce: bool,
    /// Fills a store until it is killed; the case of reopening starts this.
    #[arg(long, hide = true)]
    fill: Option<PathBuf>,
}

/// A case's result beside its bar.
#[derive(Debug)]
struct Row {
    name: &'static str,
    found: String,
    bar: &'static str,
    met: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.fill {
        reopen::fill(folder)?;
    }
    let floor = floor::measure(&arguments.folder)?;
    let cores = std::thread::available_parallelism()?;
    say(&format!("cores {cores}, F (64 KiB write and sync) {floor}"));
    let mut missed = false;
    for case in cases::CASES {
        if !case.name.contains(&arguments.only) {
            continue;
        }
        let row = (case.run)(&arguments).with_context(|| format!("case {}", case.name))?;
        let met = if row.met { "met" } else { "missed" };
        say(&format!("{:<34} {:<108} bar {}: {met}", row.name, row.found, row.bar));
        missed |= !row.met;
    }
    Ok(if missed && arguments.enforce { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn say(line: &str) {
    println!("{line}");
}

/// A store on a fresh file whose every sync takes that much longer.
fn slow_store(folder: &Path, slower: Duration) -> Result<Store> {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(folder.join("slow.redb"))?;
    let disk = Arc::new(SlowDisk::new(FileDisk::new(file), slower));
    let settings = Settings::default();
    Ok(Store::with_engine(Arc::new(Embedded::open(disk, &settings)?), &settings)?)
}

impl Row {
    /// A rate with its latencies, beside the bar of the rate and that of the 99th percentile.
    fn of(name: &'static str, sample: &Sample, bar: &'static str, met: bool) -> Self {
        Self { name, found: sample.to_string(), bar, met }
    }
}
