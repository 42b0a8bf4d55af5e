//! What the rules need to know of the manifests.

use anyhow::{Context, Result};
use toml_edit::{Document, Item, Key, TableLike};

use super::Source;

/// Where a manifest can name what it depends on.
const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// All manifests of the repository.
#[derive(Debug)]
pub(crate) struct Workspace<'a> {
    /// Every package, also those of workspaces of their own.
    pub(crate) manifests: Vec<Manifest<'a>>,
    /// What members can inherit: the name and the line of each.
    pub(crate) shared: Vec<(String, usize)>,
}

/// The manifest of one package.
#[derive(Debug)]
pub(crate) struct Manifest<'a> {
    pub(crate) path: &'a str,
    pub(crate) folder: &'a str,
    pub(crate) package: String,
    /// Not so below a folder that is a workspace of its own.
    pub(crate) is_member: bool,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest that names another package.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) line: usize,
    /// The name in the manifest.
    pub(crate) key: String,
    /// The package's own name.
    pub(crate) package: String,
    pub(crate) is_inherited: bool,
}

/// Reads every `Cargo.toml`.
///
/// # Errors
///
/// One is no TOML.
pub(crate) fn read(sources: &[Source]) -> Result<Workspace<'_>> {
    let mut documents = Vec::new();
    for source in sources.iter().filter(|source| source.name() == "Cargo.toml") {
        let document = Document::parse(source.text.as_str())
            .with_context(|| format!("{} is no TOML", source.path))?;
        documents.push((source, document));
    }
    let root = documents.iter().find(|(source, _)| source.folder().is_empty());
    let root_table = root
        .and_then(|(_, document)| document.get("workspace")?.get("dependencies")?.as_table_like());
    let mut shared = Vec::new();
    if let (Some((source, _)), Some(table)) = (root, root_table) {
        shared
            .extend(table.iter().map(|(key, _)| (key.to_owned(), line(&source.text, table, key))));
    }
    let others: Vec<String> = documents
        .iter()
        .filter(|(source, document)| {
            !source.folder().is_empty() && document.contains_key("workspace")
        })
        .map(|(source, _)| format!("{}/", source.folder()))
        .collect();
    let mut manifests = Vec::new();
    for (source, document) in &documents {
        let name = document.get("package").and_then(|package| package.get("name")?.as_str());
        if let Some(name) = name {
            manifests.push(Manifest {
                path: &source.path,
                folder: source.folder(),
                package: name.to_owned(),
                is_member: !others.iter().any(|folder| source.path.starts_with(folder)),
                dependencies: dependencies(document, &source.text, root_table),
            });
        }
    }
    Ok(Workspace { manifests, shared })
}

fn dependencies(
    document: &Document<&str>,
    text: &str,
    shared: Option<&dyn TableLike>,
) -> Vec<Dependency> {
    let targets = document.get("target").and_then(Item::as_table_like);
    let targets = targets.into_iter().flat_map(TableLike::iter).map(|(_, target)| target);
    let mut found = Vec::new();
    for holder in std::iter::once(document.as_item()).chain(targets) {
        for section in SECTIONS {
            let Some(table) = holder.get(section).and_then(Item::as_table_like) else { continue };
            for (key, item) in table.iter() {
                let is_inherited = item.get("workspace").is_some();
                let described =
                    if is_inherited { shared.and_then(|it| it.get(key)) } else { Some(item) };
                let package = described.and_then(|it| it.get("package")?.as_str()).unwrap_or(key);
                found.push(Dependency {
                    line: line(text, table, key),
                    key: key.to_owned(),
                    package: package.to_owned(),
                    is_inherited,
                });
            }
        }
    }
    found
}

/// The line of a key, from one.
fn line(text: &str, table: &dyn TableLike, key: &str) -> usize {
    let start = table.key(key).and_then(Key::span).map_or(0, |span| span.start);
    text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1
}
