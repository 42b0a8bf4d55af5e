//! What users hold does not change unsaid.

use super::Finding;

/// The page that says what changed.
const CHANGELOG: &str = "CHANGELOG.md";

/// Where the public surface is written down: settings, verbs, metrics, error codes.
const SURFACE: [&str; 2] = ["docs/reference/", "docs/errors/"];

/// Checks the paths that a change touches.
pub(crate) fn check(changed: &[String]) -> Option<Finding> {
    if changed.iter().any(|path| path == CHANGELOG) {
        return None;
    }
    let surface =
        changed.iter().find(|path| SURFACE.iter().any(|start| path.starts_with(start)))?;
    let what = format!("{surface} has changed and the changelog has not");
    Some(Finding::new(CHANGELOG, 1, what, "a line under Unreleased, in the users' words"))
}

#[cfg(test)]
mod tests;
