//! Pages that are generated: written by `fix`, held fresh by `tidy`.

use std::fs;

use anyhow::{Context, Result};

use crate::process::{self, program};
use crate::test;
use crate::tidy::{self, Finding, Source};

/// Pages that the edge itself writes, each with the arguments that make it print them.
const PRINTED: [(&str, &[&str]); 10] = [
    ("docs/reference/config.md", &["schema", "--markdown"]),
    ("docs/reference/cli.md", &["completions", "--markdown"]),
    ("docs/reference/metrics.md", &["schema", "--markdown", "metrics"]),
    ("docs/reference/audit.md", &["schema", "--markdown", "audit"]),
    ("docs/reference/http-api.md", &["schema", "--markdown", "http-api"]),
    ("docs/reference/dashboard.json", &["schema", "--dashboard"]),
    ("docs/reference/alerts.yaml", &["schema", "--alerts"]),
    ("docs/reference/headgate.schema.json", &["schema"]),
    ("docs/reference/team.schema.json", &["schema", "--team"]),
    ("docs/reference/api-keys.schema.json", &["schema", "--api-keys"]),
];

/// Folders whose pages are listed, each with the text above its list.
const LISTED: [(&str, &str); 2] = [
    (
        "docs/decisions",
        "# Decisions\n\n\
         Each record has a context, a decision and its consequences.\n\
         A record is superseded by a later one, never edited.\n",
    ),
    (
        "docs/errors",
        "# Error codes\n\n\
         Each code stands in the `code` of a problem body or in a message of the command line,\n\
         and stays what it is from version to version.\n",
    ),
];

/// Writes every generated page.
///
/// # Errors
///
/// The edge does not build or print, or a page can't be written.
pub(crate) fn write() -> Result<()> {
    for (path, text) in pages(&tidy::read()?)? {
        let file = process::root().join(&path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("can't make the folder of {path}"))?;
        }
        fs::write(&file, text).with_context(|| format!("can't write {path}"))?;
    }
    Ok(())
}

/// The generated pages that are not as they would be generated.
///
/// # Errors
///
/// The edge does not build or print.
pub(crate) fn stale(sources: &[Source]) -> Result<Vec<Finding>> {
    let pages = pages(sources)?;
    Ok(pages.iter().filter_map(|(path, text)| difference(sources, path, text)).collect())
}

fn pages(sources: &[Source]) -> Result<Vec<(String, String)>> {
    let mut pages: Vec<(String, String)> = Vec::new();
    for (folder, head) in LISTED {
        pages.push((format!("{folder}/README.md"), list(folder, head, sources)));
    }
    process::run(&mut test::build())?;
    for (path, arguments) in PRINTED {
        let text = process::output(program(process::edge("debug")).args(arguments))?;
        pages.push((path.to_owned(), text));
    }
    Ok(pages)
}

/// A page that lists the other pages of its folder by their titles.
fn list(folder: &str, head: &str, sources: &[Source]) -> String {
    let mut text = format!("{head}\n");
    for page in sources.iter().filter(|page| page.folder() == folder && page.is_markdown()) {
        let title = page.text.lines().next().and_then(|line| line.strip_prefix("# "));
        if let Some(title) = title.filter(|_| page.name() != "README.md") {
            text.extend(["- [", title, "](", page.name(), ")\n"]);
        }
    }
    text
}

fn difference(sources: &[Source], path: &str, text: &str) -> Option<Finding> {
    let page = sources.iter().find(|source| source.path == path);
    let is = page.map_or("", |page| page.text.as_str());
    if is == text {
        return None;
    }
    let same = is.lines().zip(text.lines()).take_while(|(is, would)| is == would).count();
    Some(Finding::new(path, same + 1, "the page is stale", "what `cargo xtask fix` writes"))
}

#[cfg(test)]
mod tests;
