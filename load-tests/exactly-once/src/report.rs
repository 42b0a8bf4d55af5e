//! What a run came to: for a program as JSON, for people as Markdown.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::time::Instant;

use crate::account::Verdict;

/// One scenario's result.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was done to the workers.
    pub scenario: &'static str,
    /// What kept the records.
    pub store: &'static str,
    /// Different events.
    pub keys: u64,
    /// Deliveries, duplicates included.
    pub deliveries: u64,
    /// Workers that were killed at work.
    pub kills: u64,
    /// Times that a worker was stopped, and went on later.
    pub stops: u64,
    /// Events that were taken over from a worker that was lost.
    pub taken_over: u64,
    /// Workers that were refused because the event was somebody else's.
    pub fenced: u64,
    /// Events of which a commit was acknowledged, and told of before the worker's end.
    pub acknowledged: u64,
    /// Time of the work, without the checks.
    pub seconds: f64,
    /// Whether effects, records and acknowledgements agree.
    pub verdict: Verdict,
}

impl Report {
    /// Whether nothing is lost and nothing doubled.
    pub const fn holds(&self) -> bool {
        self.verdict.faults == 0
    }

    /// A section of a page.
    pub fn markdown(&self) -> String {
        let mut page = String::new();
        // Writing to a string does not fail.
        self.write(&mut page).unwrap_or_default();
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "## {} on {}\n", self.scenario, self.store)?;
        writeln!(
            page,
            "{} keys, {} deliveries, {} kills, {} stops in {:.0} s; {} acknowledged, {} taken \
             over, {} late workers refused.\n",
            self.keys,
            self.deliveries,
            self.kills,
            self.stops,
            self.seconds,
            self.acknowledged,
            self.taken_over,
            self.fenced,
        )?;
        writeln!(
            page,
            "| mode | keys | recorded | carried out | repeated | held | lost | doubled |"
        )?;
        writeln!(page, "|---|---|---|---|---|---|---|---|")?;
        for row in &self.verdict.rows {
            let numbers = [
                row.keys,
                row.recorded,
                row.carried,
                row.repeated,
                row.held,
                row.lost,
                row.doubled,
            ];
            let cells: Vec<_> = numbers.iter().map(ToString::to_string).collect();
            writeln!(page, "| {} | {} |", row.mode, cells.join(" | "))?;
        }
        writeln!(page, "\nFaults: {}.", self.verdict.faults)?;
        for fault in &self.verdict.told {
            writeln!(page, "- {fault}")?;
        }
        Ok(())
    }
}

/// Writes of the floor's measurement.
const FLOOR_WRITES: usize = 200;
/// Bytes of each.
const FLOOR_BYTES: usize = 4 << 10;

/// What figures depend on beside the code.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub model: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// Runnable tasks, averaged over the minute before the run. Above 0.5, others were at work.
    pub load_before: String,
    /// The disk's floor F in microseconds: the median of writing 4 KiB and syncing.
    pub floor_us: u128,
}

impl Machine {
    /// Reads what the system says, and measures the disk that holds a folder.
    ///
    /// # Errors
    ///
    /// This is not Linux, or the folder can't be written.
    pub fn read(folder: &Path) -> Result<Self> {
        let read = |path| fs::read_to_string(path).with_context(|| format!("can't read {path}"));
        let cpu = read("/proc/cpuinfo")?;
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.unwrap_or("unknown").trim_start_matches([' ', '\t', ':']);
        let load = read("/proc/loadavg")?;
        Ok(Self {
            model: model.to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load_before: load.split(' ').next().unwrap_or_default().to_owned(),
            floor_us: floor(folder)?,
        })
    }
}

fn floor(folder: &Path) -> Result<u128> {
    let path = folder.join("floor");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(FLOOR_WRITES);
    for _ in 0..FLOOR_WRITES {
        let began = Instant::now();
        file.write_all(&[0x5a; FLOOR_BYTES])?;
        file.sync_data()?;
        times.push(began.elapsed().as_micros());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    times.get(FLOOR_WRITES / 2).copied().context("the floor was measured")
}

/// A whole page.
pub fn page(reports: &[Report], machine: &Machine, date: Option<&str>) -> String {
    let of = date.map(|date| format!(", {date}")).unwrap_or_default();
    let Machine { model, cores, kernel, load_before, floor_us } = machine;
    let machine =
        format!("{model}, {cores} cores, Linux {kernel}, load before the run {load_before}");
    let floor = format!("F (4 KiB write and sync) {floor_us} µs");
    let parts: Vec<_> = reports.iter().map(Report::markdown).collect();
    format!("# Load: exactly-once{of}\n\n{machine}.\n{floor}.\n\n{}", parts.join("\n"))
}

/// Writes a run beside the other results, and tells where.
///
/// # Errors
///
/// The folder can't be written.
pub fn keep(reports: &[Report], machine: &Machine, date: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    let path = folder.join(format!("{date}-exactly-once.md"));
    fs::write(&path, page(reports, machine, Some(date)))?;
    let all = serde_json::json!({ "date": date, "machine": machine, "reports": reports });
    let text = format!("{}\n", serde_json::to_string_pretty(&all)?);
    fs::write(path.with_extension("json"), text)?;
    Ok(path)
}
