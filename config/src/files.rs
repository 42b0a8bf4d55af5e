//! Where documents come from: a folder on disk, or texts in memory.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Bytes of one file. A team's file holds a few routes; this is some thousand of them.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Entries of one folder, and files below `routes.dir`: of each team that it can hold, sixteen.
pub const FILES_MAX: usize = 16_384;
/// Files of one team.
pub const TEAM_FILES_MAX: usize = 512;
/// Bytes of one team's files together.
pub const TEAM_BYTES_MAX: u64 = 8 << 20;
/// Bytes of all teams' files together: 100,000 routes take 25 MiB.
pub const TOTAL_BYTES_MAX: u64 = 64 << 20;

/// What a configuration is read from.
pub trait Files {
    /// Reads a file whole.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being read; [`io::ErrorKind::FileTooLarge`] above
    /// [`FILE_BYTES_MAX`].
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Lists what is right in a folder, hidden names left out, in any order.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being listed; [`io::ErrorKind::NotFound`] when there is no such
    /// folder, [`io::ErrorKind::QuotaExceeded`] above [`FILES_MAX`] entries.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// Where a path leads once every link on it is followed.
    ///
    /// # Errors
    ///
    /// Whatever keeps the links from being followed.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;
}

/// What a folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is: the folder's path and a name.
    pub path: PathBuf,
    /// What it is, or what it leads to if it is a link.
    pub kind: EntryKind,
    /// Whether it is a link.
    pub is_link: bool,
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file that can be read to its end.
    File,
    /// A folder.
    Folder,
    /// Anything else, such as a pipe, or a link that leads nowhere.
    Other,
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

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        for entry in folder.read_dir()? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if found.len() == FILES_MAX {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            let (path, own) = (entry.path(), entry.file_type()?);
            let is_link = own.is_symlink();
            // The target of a link counts: that is how a mounted ConfigMap shows its files.
            let target =
                if is_link { path.metadata().ok().map(|one| one.file_type()) } else { Some(own) };
            let kind = match target {
                Some(target) if target.is_dir() => EntryKind::Folder,
                Some(target) if target.is_file() => EntryKind::File,
                _ => EntryKind::Other,
            };
            found.push(Entry { path, kind, is_link });
        }
        Ok(found)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        path.canonicalize()
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

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut found: Vec<Entry> = Vec::new();
        for path in self.files.keys() {
            let Ok(below) = path.strip_prefix(folder) else { continue };
            let mut names = below.iter();
            let Some(name) = names.next() else { continue };
            let kind = if names.next().is_some() { EntryKind::Folder } else { EntryKind::File };
            let path = folder.join(name);
            // Paths are sorted, so that those below one folder follow one another.
            if found.last().is_none_or(|last| last.path != path) {
                found.push(Entry { path, kind, is_link: false });
            }
        }
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }
}

fn within_limit(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let is_within = u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX);
    if is_within { Ok(bytes) } else { Err(io::ErrorKind::FileTooLarge.into()) }
}

#[cfg(test)]
mod tests;
