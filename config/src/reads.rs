//! What a load has read: which files and folders, and what was in them.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::files::{Entry, EntryKind, Files};

/// The digest of what was found; none where it could not be read.
type Found = Option<[u8; 32]>;

/// Files and folders that were read, with digests of what was in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    files: BTreeMap<PathBuf, Found>,
    folders: BTreeMap<PathBuf, Found>,
}

impl Reads {
    /// The files, those among them that were not there too.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// The folders, those among them that were not there too.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.keys().map(PathBuf::as_path)
    }

    /// Whether everything that was read is as it was then.
    pub fn are_current(&self, files: &dyn Files) -> bool {
        self.folders.iter().all(|(path, found)| listed(&files.list(path)) == *found)
            && self.files.iter().all(|(path, found)| read(&files.read(path)) == *found)
    }
}

/// Files that note what is read of them.
pub struct Noted<'a> {
    files: &'a dyn Files,
    reads: Mutex<Reads>,
}

impl fmt::Debug for Noted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noted").field("reads", &self.reads).finish_non_exhaustive()
    }
}

impl<'a> Noted<'a> {
    /// Notes nothing yet.
    pub fn new(files: &'a dyn Files) -> Self {
        Self { files, reads: Mutex::default() }
    }

    /// What was read.
    pub fn into_reads(self) -> Reads {
        self.reads.into_inner()
    }
}

impl Files for Noted<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = self.files.read(path);
        self.reads.lock().files.insert(path.to_owned(), read(&bytes));
        bytes
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let entries = self.files.list(folder);
        self.reads.lock().folders.insert(folder.to_owned(), listed(&entries));
        entries
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        self.files.resolve(path)
    }
}

fn read(bytes: &io::Result<Vec<u8>>) -> Found {
    bytes.as_ref().ok().map(|bytes| sha256(bytes))
}

fn listed(entries: &io::Result<Vec<Entry>>) -> Found {
    let entries = entries.as_ref().ok()?;
    let mut lines: Vec<Vec<u8>> = entries.iter().map(line).collect();
    lines.sort();
    Some(sha256(&lines.concat()))
}

/// An entry such that no two lists of entries have the same lines.
fn line(entry: &Entry) -> Vec<u8> {
    let kind = match entry.kind {
        EntryKind::File => b'f',
        EntryKind::Folder => b'd',
        EntryKind::Other => b'o',
    };
    let link = if entry.is_link { b'l' } else { b'-' };
    [entry.path.as_os_str().as_encoded_bytes(), &[0, kind, link]].concat()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests;
