//! A disk in memory that loses what was not synced, and fails when it is told to.

use std::{io, sync::Arc};

use parking_lot::Mutex;

use crate::disk::Disk;

/// What a disk writes as a whole or not at all.
const SECTOR: usize = 512;

/// What goes wrong, and with which access, counted from 1 since the fault was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// From this write, length or sync on, nothing works: the machine is without power.
    PowerOff(u64),
    /// This sync fails, and what it was to write is forgotten as Linux forgets it: reads still see
    /// it, and the next sync succeeds without it.
    SyncFails(u64),
    /// This write fails.
    WriteFails(u64),
    /// From this write on, there is no space.
    NoSpace(u64),
    /// Syncs return without doing anything. No engine survives it: a harness must find it.
    SyncsLie,
}

/// A disk whose crashes keep what was synced and any part of the rest. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// What survives a crash for certain.
    durable: Vec<u8>,
    /// What reads see.
    current: Vec<u8>,
    /// Since the last sync, in order.
    unsynced: Vec<Change>,
    fault: Option<Fault>,
    writes: u64,
    syncs: u64,
    off: bool,
    available: Option<u64>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl SimDisk {
    /// An empty disk that works.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the fault to come, in place of an earlier one, and counts accesses from here.
    pub fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.state.lock();
        (state.fault, state.writes, state.syncs) = (fault, 0, 0);
    }

    /// Sets how much free space the file system tells of. None: plenty.
    pub fn set_available(&self, bytes: Option<u64>) {
        self.state.lock().available = bytes;
    }

    /// Crashes: of what was not synced, every sector is kept or lost by chance. The disk works
    /// again afterwards.
    pub fn crash(&self, chance: &mut fastrand::Rng) {
        let mut state = self.state.lock();
        let mut image = std::mem::take(&mut state.durable);
        for change in std::mem::take(&mut state.unsynced) {
            match change {
                Change::Length(len) if chance.bool() => image.resize(len, 0),
                Change::Length(_) => {}
                Change::Write(offset, bytes) => keep_sectors(&mut image, offset, &bytes, chance),
            }
        }
        state.current.clone_from(&image);
        state.durable = image;
        (state.fault, state.off) = (None, false);
    }

    /// Turns one bit of what is on the disk.
    pub fn flip_bit(&self, bit: usize) {
        let mut state = self.state.lock();
        let State { durable, current, .. } = &mut *state;
        for image in [durable, current] {
            if let Some(byte) = image.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// A disk of its own with what was synced here.
    #[must_use]
    pub fn copy(&self) -> Self {
        let durable = self.state.lock().durable.clone();
        let current = durable.clone();
        Self { state: Arc::new(Mutex::new(State { durable, current, ..State::default() })) }
    }

    /// Bits of what was synced.
    pub fn bits(&self) -> usize {
        self.state.lock().durable.len() * 8
    }

    /// Writes and syncs since the fault was set.
    pub fn accesses(&self) -> u64 {
        let state = self.state.lock();
        state.writes + state.syncs
    }
}

/// Keeps each sector of a write or loses it, up to the end of the image: a length that was lost
/// takes what lay behind it along.
fn keep_sectors(image: &mut [u8], offset: usize, bytes: &[u8], chance: &mut fastrand::Rng) {
    let mut at = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (sector, next) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
        if let Some(place) = image.get_mut(at..at + sector.len()).filter(|_| chance.bool()) {
            place.copy_from_slice(sector);
        }
        at += sector.len();
        rest = next;
    }
}

impl State {
    fn powered(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the machine is without power")) } else { Ok(()) }
    }

    /// Counts a write or a length, and fails if it is its turn.
    fn count_write(&mut self) -> io::Result<()> {
        self.powered()?;
        self.writes += 1;
        match self.fault {
            Some(Fault::PowerOff(at)) if self.writes + self.syncs >= at => {
                self.off = true;
                self.powered()
            }
            Some(Fault::WriteFails(at)) if self.writes == at => {
                Err(io::Error::other("the write fails"))
            }
            Some(Fault::NoSpace(at)) if self.writes >= at => {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            _ => Ok(()),
        }
    }
}

impl Disk for SimDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().current.len() as u64)
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock();
        state.powered()?;
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = state.current.get(at..at.saturating_add(buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let result = state.count_write();
        // The write at which the power goes may still reach the disk in part.
        if result.is_err() && !state.off {
            return result;
        }
        if state.current.len() < at + bytes.len() {
            state.current.resize(at + bytes.len(), 0);
            state.unsynced.push(Change::Length(at + bytes.len()));
        }
        if let Some(place) = state.current.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        state.unsynced.push(Change::Write(at, bytes.to_vec()));
        result
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        let len = usize::try_from(len).map_err(io::Error::other)?;
        state.count_write()?;
        state.current.resize(len, 0);
        state.unsynced.push(Change::Length(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.powered()?;
        state.syncs += 1;
        match state.fault {
            Some(Fault::PowerOff(at)) if state.writes + state.syncs >= at => {
                state.off = true;
                state.powered()
            }
            Some(Fault::SyncFails(at)) if state.syncs == at => {
                state.unsynced.clear();
                Err(io::Error::other("the sync fails"))
            }
            Some(Fault::SyncsLie) => Ok(()),
            _ => {
                let State { durable, unsynced, .. } = &mut *state;
                for change in unsynced.drain(..) {
                    match change {
                        Change::Length(len) => durable.resize(len, 0),
                        Change::Write(at, bytes) => {
                            if let Some(place) = durable.get_mut(at..at + bytes.len()) {
                                place.copy_from_slice(&bytes);
                            }
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn available(&self) -> io::Result<u64> {
        Ok(self.state.lock().available.unwrap_or(u64::MAX))
    }
}
