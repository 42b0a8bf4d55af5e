//! Marks that do not stay: open ends, and tests that are left out without a reason.

use super::{Finding, Source};

/// Written in halves, so that this file holds none of them.
const OPEN_ENDS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Checks every file for open ends, and every Rust file for ignored tests.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.name() != "Cargo.lock") {
        for (number, line) in source.lines() {
            for mark in open_ends(line) {
                let allowed = "an entry in the tracker, and here a sentence that says why";
                findings.push(Finding::new(&source.path, number, mark, allowed));
            }
            if source.is_rust() && line.trim() == "#[ignore]" {
                let what = "an ignored test without a reason";
                findings.push(Finding::new(&source.path, number, what, "`#[ignore = \"reason\"]`"));
            }
        }
    }
    findings
}

fn open_ends(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric()).filter(|word| OPEN_ENDS.contains(word))
}

#[cfg(test)]
mod tests;
