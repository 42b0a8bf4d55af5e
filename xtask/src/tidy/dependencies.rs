//! The manifests against the dependency table.

use anyhow::Result;

use super::manifest::{self, Manifest};
use super::table::{May, Row};
use super::{Finding, Source};

/// Checks every edge between the workspace's crates, who names a reserved outside crate, and where
/// versions stand.
///
/// # Errors
///
/// A manifest is no TOML.
pub(crate) fn check(table: &[Row], sources: &[Source]) -> Result<Vec<Finding>> {
    let workspace = manifest::read(sources)?;
    let manifests = &workspace.manifests;
    let mut findings = Vec::new();
    for manifest in manifests {
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
            if !dependency.is_inherited && manifest.is_member {
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
    for (key, line) in &workspace.shared {
        if !manifests.iter().any(|manifest| inherits(manifest, key)) {
            let what = format!("no crate depends on `{key}`");
            findings.push(Finding::new("Cargo.toml", *line, what, "what a crate inherits"));
        }
    }
    Ok(findings)
}

fn inherits(manifest: &Manifest<'_>, key: &str) -> bool {
    let mut dependencies = manifest.dependencies.iter();
    manifest.is_member && dependencies.any(|it| it.is_inherited && it.key == key)
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

#[cfg(test)]
mod tests;
