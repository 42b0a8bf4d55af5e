//! The manifests against the dependency table.

use anyhow::{Context, Result};
use toml_edit::{Document, Item, TableLike};

use super::table::{May, Row};
use super::{Finding, Source};

/// Where a manifest can name what it depends on.
const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// What the check needs to know of a manifest.
#[derive(Debug)]
struct Manifest<'a> {
    path: &'a str,
    folder: &'a str,
    package: String,
    /// A workspace of its own keeps its own versions.
    is_workspace: bool,
    dependencies: Vec<Dependency>,
}

#[derive(Debug)]
struct Dependency {
    line: usize,
    package: String,
    is_inherited: bool,
}

/// Checks every edge between the workspace's crates, and who names a reserved outside crate.
///
/// # Errors
///
/// A manifest is no TOML.
pub(crate) fn check(table: &[Row], sources: &[Source]) -> Result<Vec<Finding>> {
    let manifests = manifests(sources)?;
    let mut findings = Vec::new();
    for manifest in &manifests {
        let Some(row) = row_of(table, manifest.folder) else {
            let what = format!("`{}` has no row in the dependency table", manifest.folder);
            findings.push(Finding::new(manifest.path, 1, what, "a row in ARCHITECTURE.md"));
            continue;
        };
        for dependency in &manifest.dependencies {
            let name = dependency.package.as_str();
            let finding = |what: String, allowed: String| {
                Finding::new(manifest.path, dependency.line, what, allowed)
            };
            if !dependency.is_inherited && !manifest.is_workspace {
                let what = format!("`{name}` has a version of its own");
                let allowed = "`workspace = true`, with the version in the root's Cargo.toml";
                findings.push(finding(what, allowed.to_owned()));
            }
            let target = manifests.iter().find(|other| other.package == name);
            let refused = match target {
                Some(target) => refused_edge(table, row, target.folder),
                None => refused_reserved(table, row, name),
            };
            if let Some(allowed) = refused {
                let what = format!("`{}` may not depend on `{name}`", row.folder);
                findings.push(finding(what, allowed));
            }
        }
    }
    Ok(findings)
}

/// What would be allowed in place of an edge inside the workspace that is not.
fn refused_edge(table: &[Row], from: &Row, folder: &str) -> Option<String> {
    // A crate without a row gets its own finding.
    let to = row_of(table, folder)?;
    if to.folder == from.folder {
        return None;
    }
    match &from.may {
        May::Everything if to.may == May::Anything => Some("crates that others use".to_owned()),
        May::Anything | May::Everything => None,
        May::Only(names) if names.contains(&to.folder) => None,
        May::Only(names) if names.is_empty() => Some("no crate of the workspace".to_owned()),
        May::Only(names) => Some(names.join(", ")),
    }
}

/// Who may know an outside crate that this one may not.
fn refused_reserved(table: &[Row], from: &Row, dependency: &str) -> Option<String> {
    if from.may == May::Anything || from.reserves(dependency) {
        return None;
    }
    let owners: Vec<&str> = table
        .iter()
        .filter(|row| row.reserves(dependency))
        .map(|row| row.folder.as_str())
        .collect();
    (!owners.is_empty()).then(|| format!("only in {}", owners.join(", ")))
}

/// The row of a folder, or of the nearest folder above it that has one.
fn row_of<'a>(table: &'a [Row], folder: &str) -> Option<&'a Row> {
    let mut folder = folder;
    loop {
        if let Some(row) = table.iter().find(|row| row.folder == folder) {
            return Some(row);
        }
        folder = folder.rsplit_once('/')?.0;
    }
}

fn manifests(sources: &[Source]) -> Result<Vec<Manifest<'_>>> {
    let mut documents = Vec::new();
    for source in sources.iter().filter(|source| source.name() == "Cargo.toml") {
        let document = Document::parse(source.text.as_str())
            .with_context(|| format!("{} is no TOML", source.path))?;
        documents.push((source, document));
    }
    let root = documents.iter().find(|(source, _)| source.folder().is_empty());
    let shared = root.and_then(|(_, document)| document.get("workspace")?.get("dependencies"));
    let mut manifests = Vec::new();
    for (source, document) in &documents {
        let name = document.get("package").and_then(|package| package.get("name")?.as_str());
        if let Some(name) = name {
            manifests.push(Manifest {
                path: &source.path,
                folder: source.folder(),
                package: name.to_owned(),
                is_workspace: document.contains_key("workspace"),
                dependencies: dependencies(document, &source.text, shared),
            });
        }
    }
    Ok(manifests)
}

fn dependencies(document: &Document<&str>, text: &str, shared: Option<&Item>) -> Vec<Dependency> {
    let targets = document.get("target").and_then(Item::as_table_like);
    let targets = targets.into_iter().flat_map(TableLike::iter).map(|(_, target)| target);
    let mut found = Vec::new();
    for holder in std::iter::once(document.as_item()).chain(targets) {
        for section in SECTIONS {
            let Some(table) = holder.get(section).and_then(Item::as_table_like) else { continue };
            for (name, item) in table.iter() {
                let key = table.get_key_value(name).map(|(key, _)| key);
                let start = key.and_then(toml_edit::Key::span).map_or(0, |span| span.start);
                let is_inherited = item.get("workspace").is_some();
                let described =
                    if is_inherited { shared.and_then(|it| it.get(name)) } else { Some(item) };
                let package = described.and_then(|it| it.get("package")?.as_str()).unwrap_or(name);
                let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
                found.push(Dependency { line, package: package.to_owned(), is_inherited });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
