//! Error codes against their pages, both ways.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Source};

/// The folder of the pages.
const PAGES: &str = "docs/errors";

/// Checks that each code in the sources has a page, and each page a code in the sources.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut used: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for source in sources.iter().filter(|source| is_code(source)) {
        for (number, line) in source.lines() {
            for code in codes(line) {
                used.entry(code).or_insert((&source.path, number));
            }
        }
    }
    let mut findings = Vec::new();
    let mut pages = BTreeSet::new();
    for source in sources.iter().filter(|source| source.folder() == PAGES) {
        let name = source.name().trim_end_matches(".md");
        if codes(name).next() != Some(name) {
            continue;
        }
        pages.insert(name);
        if !used.contains_key(name) {
            let what = format!("no source uses {name}");
            findings.push(Finding::new(&source.path, 1, what, "pages of codes in use"));
        }
        if !source.text.starts_with(&format!("# {name}: ")) {
            let what = "the page does not begin with its code";
            findings.push(Finding::new(
                &source.path,
                1,
                what,
                format!("`# {name}: what happened`"),
            ));
        }
    }
    for (code, (path, line)) in used.into_iter().filter(|(code, _)| !pages.contains(code)) {
        let what = format!("{code} has no page");
        findings.push(Finding::new(path, line, what, format!("a page {PAGES}/{code}.md")));
    }
    findings
}

fn is_code(source: &Source) -> bool {
    source.is_rust() && !source.is_test() && source.folder().split('/').any(|part| part == "src")
}

/// Every `HG` with four digits that stands alone.
fn codes(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| {
        word.strip_prefix("HG")
            .is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests;
