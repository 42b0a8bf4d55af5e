//! The store's folder: one process at a time, and a file that is there only once it is whole.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{disk::FileDisk, embedded::Embedded, error::Error, settings::Settings};

const LOCK: &str = "store.lock";
const DATA: &str = "store.redb";
/// The file while it is made. A crash may leave it behind, without anything acknowledged in it.
const UNFINISHED: &str = "store.redb.new";

/// Mode of the files: what is kept may be answers to single people, or lists of keys.
const OWNER_ONLY: u32 = 0o600;

/// Holds the folder's lock, which the operating system gives back when the process ends.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, and locks it.
    pub(crate) fn lock(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Open { folder: path.to_owned(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(OWNER_ONLY);
        let lock = options.open(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { folder: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Opens the engine on the folder's file, or makes both.
    pub(crate) fn open(&self, settings: &Settings) -> Result<Embedded, Error> {
        let failed = |source| Error::Open { folder: self.path.clone(), source };
        let data = self.path.join(DATA);
        let exists = data.try_exists().map_err(failed)?;
        let path = if exists { data.clone() } else { self.path.join(UNFINISHED) };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(!exists).truncate(!exists).mode(OWNER_ONLY);
        let file = options.open(&path).map_err(failed)?;
        let engine = Embedded::open(Arc::new(FileDisk::new(file)), settings)
            .map_err(|failure| Error::opening(self.path.clone(), failure))?;
        if !exists {
            fs::rename(&path, &data).and_then(|()| sync_folder(&self.path)).map_err(failed)?;
        }
        Ok(engine)
    }
}

/// A file's name is durable only once its folder is synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests;
