//! Pages: one heading of the first level each, and links that lead somewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Source};

/// Checks every page.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let files: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let pages = sources.iter().filter(|source| source.is_markdown());
    let anchors: BTreeMap<&str, BTreeSet<String>> =
        pages.clone().map(|page| (page.path.as_str(), anchors(page))).collect();
    let mut findings = Vec::new();
    for page in pages {
        findings.extend(titles(page));
        for (line, link) in links(page) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let Some(path) = resolve(page, path) else {
                let what = format!("the link `{link}` leaves the repository");
                findings.push(Finding::new(&page.path, line, what, "relative links inside it"));
                continue;
            };
            if !exists(&files, &path) {
                let what = format!("the link `{link}` leads nowhere");
                findings.push(Finding::new(&page.path, line, what, "links to existing files"));
            } else if let Some(known) = anchors.get(path.as_str()).filter(|_| !anchor.is_empty())
                && !known.contains(anchor)
            {
                let what = format!("{path} has no heading `#{anchor}`");
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                findings.push(Finding::new(&page.path, line, what, known.join(", ")));
            }
        }
    }
    findings
}

fn titles(page: &Source) -> Option<Finding> {
    let titles: Vec<usize> =
        prose(page).filter(|(_, line)| line.starts_with("# ")).map(|(number, _)| number).collect();
    let allowed = "one heading of the first level";
    match titles.as_slice() {
        [_] => None,
        [] => Some(Finding::new(&page.path, 1, "no title", allowed)),
        [_, second, ..] => Some(Finding::new(&page.path, *second, "a second title", allowed)),
    }
}

/// The lines outside of fenced blocks, without what stands between backticks.
fn prose(page: &Source) -> impl Iterator<Item = (usize, String)> {
    let mut is_fenced = false;
    page.lines().filter_map(move |(number, line)| {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
            return None;
        }
        let text: Vec<&str> = line.split('`').step_by(2).collect();
        (!is_fenced).then(|| (number, text.join("``")))
    })
}

/// The targets of links that stay on this machine.
fn links(page: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(page) {
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let defined = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        for target in inline.chain(defined.map(|(_, target)| target)) {
            let target = target.split_whitespace().next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push((number, target.to_owned()));
            }
        }
    }
    found
}

/// The path that a link means, from the workspace's root, or none where it leads out of it.
fn resolve(page: &Source, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(page.path.clone());
    }
    let mut parts: Vec<&str> = page.folder().split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" if link.starts_with('/') => return None,
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn exists(files: &BTreeSet<&str>, path: &str) -> bool {
    let folder = format!("{path}/");
    path.is_empty() || files.contains(path) || files.iter().any(|file| file.starts_with(&folder))
}

/// The anchors of a page's headings, named as GitHub names them.
fn anchors(page: &Source) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    // With the code of a heading, which is part of its anchor.
    let headings = prose(page).map(|(number, _)| number).collect::<BTreeSet<_>>();
    for (_, line) in page.lines().filter(|(number, _)| headings.contains(number)) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let slug: String = kept.flat_map(char::to_lowercase).collect::<String>().replace(' ', "-");
        let mut name = slug.clone();
        let mut again = 0;
        while !anchors.insert(name) {
            again += 1;
            name = format!("{slug}-{again}");
        }
    }
    anchors
}

#[cfg(test)]
mod tests;
