//! Words that say nothing, or that mean another thing in this field.

use super::{Finding, Source};

/// Words that no new name may hold, each with what to write in its place.
const BANNED: [(&str, &str); 6] = [
    ("helper", "a name for what it does"),
    ("util", "a name for what it does"),
    ("manager", "a name for what it owns"),
    ("misc", "a name for each idea"),
    ("backend", "upstream, endpoint or BFF"),
    ("lambda", "function"),
];

/// Names of crates that hold a banned word: a path that speaks of them may say so.
const CRATES: [&str; 2] = ["hyper-util", "hyper_util"];

/// What may stand before the keyword of a declaration.
const MODIFIERS: [&str; 7] = ["pub", "const", "async", "unsafe", "extern", "default", "\"C\""];

/// What a declaration can begin with.
const KEYWORDS: [&str; 8] =
    ["fn", "struct", "enum", "union", "trait", "mod", "type", "macro_rules!"];

/// Checks the names of files and folders, and of what Rust files declare.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let path = CRATES.iter().fold(source.path.clone(), |path, name| path.replace(name, ""));
        if let Some((word, advice)) = banned(&path) {
            let what = format!("the path says `{word}`");
            findings.push(Finding::new(&source.path, 1, what, advice));
        }
        for (number, line) in source.lines().filter(|_| source.is_rust()) {
            let Some(name) = declared(line) else { continue };
            if let Some((word, advice)) = banned(name) {
                let what = format!("the name `{name}` says `{word}`");
                findings.push(Finding::new(&source.path, number, what, advice));
            }
        }
    }
    findings
}

/// The name that a line declares.
fn declared(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let is_modifier = |word: &str| MODIFIERS.contains(&word) || word.starts_with("pub(");
    let keyword = words.find(|word| !is_modifier(word))?;
    let name = words.next().filter(|_| KEYWORDS.contains(&keyword))?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The first banned word in a name or path, also in the plural.
fn banned(name: &str) -> Option<(&'static str, &'static str)> {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric()).flat_map(humps);
    let mut parts = parts.map(str::to_ascii_lowercase);
    parts.find_map(|part| {
        let singular = part.strip_suffix('s').unwrap_or(&part);
        BANNED.into_iter().find(|(word, _)| *word == part || *word == singular)
    })
}

/// The words of a name in camel case.
fn humps(name: &str) -> Vec<&str> {
    let starts = name.char_indices().skip(1).filter(|(_, c)| c.is_ascii_uppercase());
    let mut words = Vec::new();
    let mut rest = 0;
    for (start, _) in starts {
        words.extend(name.get(rest..start));
        rest = start;
    }
    words.extend(name.get(rest..));
    words
}

#[cfg(test)]
mod tests;
