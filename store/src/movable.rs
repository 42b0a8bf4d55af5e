//! An engine that moves from one process to another while its store stays open.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bytes::Bytes;
use headgate_types::UnixTime;
use parking_lot::{RwLock, RwLockWriteGuard};

use crate::{
    batch::Batch,
    embedded::Embedded,
    engine::{Due, Engine, Entry, Failure, LogBounds, Size, Verdict},
    error::Error,
    folder::Folder,
    item::{Item, Key},
    remote::Remote,
    settings::Settings,
};

/// How often a folder is tried that another process is about to let go of.
const TRIES_MAX: u32 = 500;
/// Time between two tries.
const TRY_EVERY: Duration = Duration::from_millis(10);

/// The embedded engine in this process, or a connection to the process that has it.
///
/// A [`Store`](crate::Store) in front of it stays open while the engine moves: calls wait for the
/// end of the move and are then carried out wherever the engine is.
pub struct Movable {
    place: RwLock<Place>,
    folder: PathBuf,
    settings: Settings,
}

enum Place {
    Here(Here),
    There(Remote),
    Nowhere,
}

struct Here {
    engine: Box<Embedded>,
    // Given back last, when nothing touches the file any more.
    _folder: Folder,
}

impl fmt::Debug for Movable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Movable").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Movable {
    /// Opens the engine in a folder, or makes both.
    ///
    /// # Errors
    ///
    /// As [`Store::open`](crate::Store::open).
    pub fn open(folder: &Path, settings: &Settings) -> Result<Self, Error> {
        let here = Here::open(folder, settings)?;
        let (place, folder) = (RwLock::new(Place::Here(here)), folder.to_owned());
        Ok(Self { place, folder, settings: settings.clone() })
    }

    /// Begins with the engine of another process, which has the folder.
    pub fn remote(folder: &Path, settings: &Settings, remote: Remote) -> Self {
        let place = RwLock::new(Place::There(remote));
        Self { place, folder: folder.to_owned(), settings: settings.clone() }
    }

    /// Closes the engine and gives its folder free, once the calls under way have ended. Further
    /// calls wait for what becomes of the [`Away`], so keep it for moments only.
    pub fn let_go(&self) -> Away<'_> {
        let mut place = self.place.write();
        *place = Place::Nowhere;
        Away { place, movable: self }
    }

    /// Opens the engine here, in a folder that another process has given free.
    ///
    /// # Errors
    ///
    /// As [`Store::open`](crate::Store::open); the engine stays where it was.
    pub fn take(&self) -> Result<(), Error> {
        let mut place = self.place.write();
        *place = Place::Here(Here::open(&self.folder, &self.settings)?);
        Ok(())
    }

    fn ask<T>(&self, call: impl FnOnce(&dyn Engine) -> Result<T, Failure>) -> Result<T, Failure> {
        match &*self.place.read() {
            Place::Here(here) => call(&*here.engine),
            Place::There(remote) => call(remote),
            Place::Nowhere => Err(io::Error::other("the engine was not opened again").into()),
        }
    }
}

impl Here {
    fn open(folder: &Path, settings: &Settings) -> Result<Self, Error> {
        let folder = Folder::lock(folder)?;
        let engine = Box::new(folder.open(settings)?);
        Ok(Self { engine, _folder: folder })
    }
}

/// An engine that is in no process, and the calls that wait for it. Dropped, it lets them fail,
/// which closes the store.
#[must_use = "calls wait until the engine is somewhere"]
pub struct Away<'a> {
    place: RwLockWriteGuard<'a, Place>,
    movable: &'a Movable,
}

impl fmt::Debug for Away<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Away").field("movable", self.movable).finish_non_exhaustive()
    }
}

impl Away<'_> {
    /// Goes on with the engine that another process has opened.
    pub fn there(mut self, remote: Remote) {
        *self.place = Place::There(remote);
    }

    /// Opens the engine here again, after the other process came to nothing. Waits up to five
    /// seconds for that one's end.
    ///
    /// # Errors
    ///
    /// As [`Store::open`](crate::Store::open).
    pub fn back(mut self) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            match Here::open(&self.movable.folder, &self.movable.settings) {
                Ok(here) => {
                    *self.place = Place::Here(here);
                    return Ok(());
                }
                Err(Error::Locked { .. }) if tries < TRIES_MAX => {
                    tries += 1;
                    thread::sleep(TRY_EVERY);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Engine for Movable {
    fn commit(&self, group: &[Batch]) -> Result<Vec<Verdict>, Failure> {
        self.ask(|engine| engine.commit(group))
    }

    fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
        self.ask(|engine| engine.get(key))
    }

    fn scan(
        &self,
        space: &str,
        after: Option<&[u8]>,
        rows: usize,
    ) -> Result<Vec<(Bytes, Item)>, Failure> {
        self.ask(|engine| engine.scan(space, after, rows))
    }

    fn log(&self, topic: &str, partition: u32) -> Result<Option<LogBounds>, Failure> {
        self.ask(|engine| engine.log(topic, partition))
    }

    fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Result<Vec<Entry>, Failure> {
        self.ask(|engine| engine.read(topic, partition, from, rows))
    }

    fn offset(&self, group: &str, topic: &str, partition: u32) -> Result<Option<u64>, Failure> {
        self.ask(|engine| engine.offset(group, topic, partition))
    }

    fn logs(&self) -> Result<Vec<(String, u32, LogBounds)>, Failure> {
        self.ask(|engine| engine.logs())
    }

    fn offsets(&self, topic: &str, partition: u32) -> Result<Vec<(String, u64)>, Failure> {
        self.ask(|engine| engine.offsets(topic, partition))
    }

    fn due(&self, queue: &str, now: UnixTime, rows: usize) -> Result<Vec<Due>, Failure> {
        self.ask(|engine| engine.due(queue, now, rows))
    }

    fn verify(&self) -> Result<(), Failure> {
        self.ask(|engine| engine.verify())
    }

    fn size(&self) -> Result<Size, Failure> {
        self.ask(|engine| engine.size())
    }
}

#[cfg(test)]
mod tests;
