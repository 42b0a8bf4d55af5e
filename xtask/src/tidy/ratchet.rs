//! No file grows without end: a limit for all, and a checked-in exception that can only shrink.

use std::collections::BTreeMap;

use super::{Finding, Source};

/// Lines of code that a file may have, its tests not counted.
const LINES_MAX: usize = 400;

/// Checks every Rust file that is not a test against the limit or its exception.
///
/// `text` has a path and a number of lines in each line; `#` begins a comment.
pub(crate) fn check(path: &str, text: &str, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut exceptions = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.split_once(' ').map(|(file, max)| (file, max.trim().parse::<usize>())) {
            Some((file, Ok(max))) => {
                exceptions.insert(file, (index + 1, max));
            }
            _ if line.is_empty() => {}
            _ => findings.push(Finding::new(path, index + 1, "not an exception", "`PATH LINES`")),
        }
    }
    for source in sources.iter().filter(|source| source.is_rust() && !source.is_test()) {
        let lines = code_lines(&source.text);
        let exception = exceptions.remove(source.path.as_str());
        let max = exception.map_or(LINES_MAX, |(_, max)| max.max(LINES_MAX));
        if lines > max {
            let what = format!("{lines} lines of code");
            findings.push(Finding::new(
                &source.path,
                lines,
                what,
                format!("{max}: split the file"),
            ));
        } else if let Some((line, max)) = exception.filter(|(_, max)| lines < *max) {
            let what = format!("{} has shrunk from {max} lines to {lines}", source.path);
            let allowed =
                if lines > LINES_MAX { format!("{lines}") } else { "no exception".into() };
            findings.push(Finding::new(path, line, what, allowed));
        }
    }
    for (file, (line, _)) in exceptions {
        findings.push(Finding::new(path, line, format!("there is no {file}"), "existing files"));
    }
    findings
}

/// Lines before the tests that a file carries itself.
fn code_lines(text: &str) -> usize {
    let mut lines = text.lines().enumerate().peekable();
    let mut count = 0;
    while let Some((index, line)) = lines.next() {
        let next = lines.peek().map_or("", |(_, next)| next);
        if line == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{') {
            return index;
        }
        count = index + 1;
    }
    count
}

#[cfg(test)]
mod tests;
