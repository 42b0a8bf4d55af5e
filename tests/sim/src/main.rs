//! Runs the overload scenarios on demand.

use std::{io::Write as _, ops::Range, path::Path};

use anyhow::{Context as _, Result, bail};
use headgate_sim::{pages, plots, report};

const USAGE: &str = "headgate-sim table|rivals [SCENARIO] [SEEDS]
headgate-sim sweep [SEEDS]
headgate-sim plot|pages [FOLDER]
SEEDS: a number, counted from 1, or FIRST..END without END; SCENARIO: how its ID begins, or all";

/// Seeds of a table, and of a sweep.
const SEEDS: &str = "20";
const SWEEP_SEEDS: &str = "200";
/// Where the concept pages look for their drawings.
const FOLDER: &str = "docs/concepts/overload";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |index: usize| args.get(index).map(String::as_str);
    let seeds = |index: usize, default| -> Result<Range<u64>> {
        report::seeds(arg(index).unwrap_or(default)).context(USAGE)
    };
    let only = arg(1).filter(|only| *only != "all").unwrap_or("");
    let folder = Path::new(arg(1).unwrap_or(FOLDER));
    let text = match arg(0) {
        Some("table") => report::table(only, &seeds(2, SEEDS)?),
        Some("rivals") => report::rivals(only, &seeds(2, SEEDS)?),
        Some("sweep") => report::table("", &seeds(1, SWEEP_SEEDS)?),
        Some("plot") => return write(folder, plots::all()),
        Some("pages") => return write(folder, [pages::table(), pages::rivals()]),
        _ => bail!("{USAGE}"),
    };
    std::io::stdout().write_all(text.as_bytes()).context("writing the table")
}

fn write(folder: &Path, files: impl IntoIterator<Item = (&'static str, String)>) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (name, text) in files {
        let file = folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
