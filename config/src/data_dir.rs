//! Where the store is, for a start that meets a broken file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    files::Files,
    load::{PlatformRead, read_file},
};

/// The usual folder, beside `headgate.toml`.
const USUAL: &str = "data";

/// The folder for what must last, as far as the platform's file can be read: what is wrong
/// elsewhere in it does not matter. Of a file that is broken or empty and names none, the folder
/// `data` beside it, if that is there.
pub fn data_dir(
    files: &dyn Files,
    path: &Path,
    environment: &BTreeMap<String, String>,
) -> Option<PathBuf> {
    let read = PlatformRead::new(path, &read_file(files, path), environment, false);
    let base = path.parent().unwrap_or(Path::new(""));
    let root = &read.document.root;
    if let Some(named) = root.nearest(&["data".into(), "dir".into()]).as_text() {
        return Some(base.join(named));
    }
    let is_empty = root.keys().next().is_none();
    let is_complete = !is_empty && read.into_faults().is_empty();
    let usual = base.join(USUAL);
    (!is_complete && files.resolve(&usual).is_ok()).then_some(usual)
}

#[cfg(test)]
mod tests;
