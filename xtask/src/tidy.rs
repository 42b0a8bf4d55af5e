//! `cargo xtask tidy`: the project's own rules, each a function from texts to findings.

mod changelog;
mod codes;
mod dependencies;
mod finding;
mod manifest;
mod markdown;
mod marks;
mod ratchet;
mod source;
mod table;
mod words;

use std::fs;

use anyhow::{Context, Result, bail};

pub(crate) use self::finding::Finding;
pub(crate) use self::source::Source;
#[cfg(test)]
pub(crate) use self::source::source;
use crate::process::{self, program};
use crate::reference;

/// The page whose table says which crate may depend on which.
const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// The files that may be longer than the rest, each with the length that it may not exceed.
const RATCHET: &str = "xtask/ratchet.txt";

/// Which rules to check.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Leaves out the pages that a build of the edge prints.
    #[arg(long)]
    quick: bool,
}

/// Checks every rule and prints what breaks one.
///
/// # Errors
///
/// A rule is broken, or a file or a generated page can't be read.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let sources = read()?;
    let mut findings = check(&sources)?;
    if !arguments.quick {
        findings.extend(reference::stale(&sources)?);
    }
    match changed()? {
        Some(paths) => findings.extend(changelog::check(&paths)),
        None => println!("skipped changelog: no base to compare with (HEADGATE_BASE, origin/main)"),
    }
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    Ok(())
}

/// Checks the rules that need nothing but the files.
fn check(sources: &[Source]) -> Result<Vec<Finding>> {
    let text = |path: &str| {
        let found = sources.iter().find(|source| source.path == path);
        found.map(|source| source.text.as_str()).with_context(|| format!("there is no {path}"))
    };
    let (table, mut findings) = table::parse(ARCHITECTURE, text(ARCHITECTURE)?);
    findings.extend(dependencies::check(&table, sources)?);
    findings.extend(ratchet::check(RATCHET, text(RATCHET)?, sources));
    findings.extend(codes::check(sources));
    findings.extend(words::check(sources));
    findings.extend(marks::check(sources));
    findings.extend(markdown::check(sources));
    Ok(findings)
}

/// Every text file that git tracks or would track.
///
/// # Errors
///
/// Git can't be asked, or a file can't be read.
pub(crate) fn read() -> Result<Vec<Source>> {
    let listed = process::output(program("git").args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--deduplicate",
    ]))?;
    let mut sources = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let file = process::root().join(path);
        // A file that is deleted but still tracked has nothing to check.
        if !file.is_file() {
            continue;
        }
        let bytes = fs::read(&file).with_context(|| format!("can't read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}

/// The files that differ from the base of this change, or none where there is no base.
fn changed() -> Result<Option<Vec<String>>> {
    let base = match std::env::var("HEADGATE_BASE") {
        Ok(base) => base,
        Err(_) => match merge_base() {
            Some(base) => base,
            None => return Ok(None),
        },
    };
    let listed = process::output(program("git").args(["diff", "--name-only", base.trim(), "--"]))?;
    Ok(Some(listed.lines().map(str::to_owned).collect()))
}

fn merge_base() -> Option<String> {
    let mut call = program("git");
    call.args(["merge-base", "HEAD", "origin/main"]).stderr(std::process::Stdio::null());
    let output = call.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
