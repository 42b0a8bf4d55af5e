//! Runs the overload scenarios on demand.

use std::{io::Write as _, path::Path};

use anyhow::{Context as _, Result, bail};
use headgate_sim::{plots, report};

const USAGE: &str = "headgate-sim table|rivals [SCENARIO] [SEEDS]
headgate-sim sweep [SEEDS]
headgate-sim plot [FOLDER]";

/// Seeds of a table, and of a sweep.
const SEEDS: u64 = 20;
const SWEEP_SEEDS: u64 = 200;
/// Where the concept pages look for their drawings.
const DRAWINGS: &str = "docs/concepts/overload";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |index: usize| args.get(index).map(String::as_str);
    let seeds = |index: usize, default| arg(index).map_or(Ok(default), str::parse::<u64>);
    let only = arg(1).filter(|only| *only != "all").unwrap_or("");
    let text = match arg(0) {
        Some("table") => report::table(only, seeds(2, SEEDS).context(USAGE)?),
        Some("rivals") => report::rivals(only, seeds(2, SEEDS).context(USAGE)?),
        Some("sweep") => report::table("", seeds(1, SWEEP_SEEDS).context(USAGE)?),
        Some("plot") => return draw(Path::new(arg(1).unwrap_or(DRAWINGS))),
        _ => bail!("{USAGE}"),
    };
    std::io::stdout().write_all(text.as_bytes()).context("writing the table")
}

fn draw(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (name, drawing) in plots::all() {
        let file = folder.join(name);
        std::fs::write(&file, drawing).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
