//! How long opening takes after a kill, by the size of the file.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use headgate_store::{Settings, Store};
use headgate_types::ByteSize;
use tokio::time::Instant;

use crate::{Arguments, Row, cases};

const STEP: u64 = 1_000;
/// Seconds that opening may take for each GiB.
const BAR: f64 = 2.0;

/// A store that never saves what a quick opening needs, as files above 16 MiB.
fn settings() -> Settings {
    Settings { quick_repair_below: ByteSize::default(), ..Settings::default() }
}

/// Appends until it is killed, and tells the file's size after each step.
pub(crate) fn fill(folder: &Path) -> Result<()> {
    let store = Store::open(folder, &settings())?;
    let mut out = std::io::stdout().lock();
    for step in 0.. {
        let pending: Vec<_> = (0..STEP)
            .map(|number| store.submit(cases::append(step * STEP + number)))
            .collect::<Result<_, _>>()?;
        for pending in pending {
            pending.wait()?;
        }
        writeln!(out, "{}", store.size()?.file_bytes)?;
    }
    Ok(())
}

pub(crate) fn run(arguments: &Arguments) -> Result<Row> {
    let folder = tempfile::tempdir_in(&arguments.folder)?;
    let mut child = Command::new(env::current_exe()?)
        .arg("--fill")
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().context("the child's output")?;
    let large = arguments.reopen_mib << 20;
    let grown = BufReader::new(out)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.parse::<u64>().ok())
        .find(|bytes| *bytes >= large);
    child.kill()?;
    child.wait()?;
    let Some(bytes) = grown else { bail!("the child ended by itself") };
    let start = Instant::now();
    let store = Store::open(folder.path(), &settings())?;
    let seconds = start.elapsed().as_secs_f64();
    let entries: u64 = (0..cases::PARTITIONS)
        .map(|partition| store.log(cases::TOPIC, partition))
        .map(|bounds| Ok(bounds?.map_or(0, |bounds| bounds.end)))
        .sum::<Result<_>>()?;
    let gib = bytes as f64 / f64::from(1 << 30);
    let found =
        format!("{seconds:.2} s for {gib:.2} GiB, {:.2} s/GiB, {entries} entries", seconds / gib);
    Ok(Row { name: "reopen after kill", found, bar: "2 s/GiB", met: seconds / gib <= BAR })
}
