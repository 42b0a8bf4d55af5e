//! Where documents come from: a folder on disk, or texts in memory.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Bytes of one file. A team's file holds a few routes; this is some thousand of them.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files below `routes.dir`.
pub const FILES_MAX: usize = 4_096;
/// Bytes of all files together.
pub const TOTAL_BYTES_MAX: u64 = 64 << 20;
/// Folders below `routes.dir` that are looked into, one inside the other.
const DEPTH_MAX: usize = 4;

/// What a configuration is read from.
pub trait Files {
    /// Reads a file whole.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being read; [`io::ErrorKind::FileTooLarge`] above
    /// [`FILE_BYTES_MAX`].
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Lists the files below a folder whose names end in `.toml`, those of hidden files and
    /// folders left out, in any order.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being listed; [`io::ErrorKind::NotFound`] when there is no such
    /// folder, [`io::ErrorKind::QuotaExceeded`] above [`FILES_MAX`].
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        within_limit(bytes)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut folders = vec![(folder.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for entry in folder.read_dir()? {
                let entry = entry?;
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let path = entry.path();
                // The target of a link counts: that is how a mounted ConfigMap shows its files.
                if path.is_dir() {
                    if depth < DEPTH_MAX {
                        folders.push((path, depth + 1));
                    }
                } else if path.extension().is_some_and(|extension| extension == "toml") {
                    found.push(path);
                }
                if found.len() > FILES_MAX || folders.len() > FILES_MAX {
                    return Err(io::ErrorKind::QuotaExceeded.into());
                }
            }
        }
        Ok(found)
    }
}

/// Texts by path, for a configuration that comes with the program and for tests.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Memory {
    /// Adds a file, or replaces it.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        within_limit(bytes.clone())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let inside = self.files.keys().filter(|path| path.starts_with(folder));
        let found: Vec<_> = inside
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .cloned()
            .collect();
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }
}

fn within_limit(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let is_within = u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX);
    if is_within { Ok(bytes) } else { Err(io::ErrorKind::FileTooLarge.into()) }
}

#[cfg(test)]
mod tests;
