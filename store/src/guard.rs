//! Checksums for every block below redb, which checks its own only when it repairs.
//!
//! The file begins with two copies of the header, each in one sector with a sequence number and a
//! checksum, written by every sync that the header changed before. Then come groups: a block of
//! checksums, and the blocks that they are of. A block is checked whenever it is read, so damage is
//! an error and never an answer.
//!
//! A crash may leave blocks that do not fit their checksums, but only such as no committed root
//! reaches: the database commits in two phases, and never writes over a block that a committed root
//! reaches. Sums are written again with the value that they had, so a torn block of sums harms none.
//!
//! Blocks are kept in memory until the sync that they belong to, and then written in the order of
//! their places: the database hands them over one by one in no order.

mod header;
mod unwritten;

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::RwLock;

use header::{HEADER, header_copy, read_header};
use unwritten::Unwritten;

use crate::{disk::Disk, engine::Failure};

/// The newest format that is read, and the one that is written.
pub(crate) const FORMAT: u32 = 2;

const BLOCK: usize = 4_096;
const BLOCK_BYTES: u64 = BLOCK as u64;
/// Sums in a block of sums.
const GROUP: usize = BLOCK / size_of::<u32>();
/// Bytes that one group takes on the disk.
const GROUP_BYTES: u64 = (GROUP as u64 + 1) * BLOCK_BYTES;
/// Where the groups begin: behind two copies of the header, a block each.
const FIRST_GROUP: u64 = 2 * BLOCK_BYTES;

/// A disk on which every block is checked.
#[derive(Debug)]
pub(crate) struct Guard {
    disk: Arc<dyn Disk>,
    state: RwLock<State>,
    /// Set by the first write or sync that fails: nothing is written after it.
    failed: AtomicBool,
}

#[derive(Debug)]
struct State {
    header: [u8; HEADER],
    sequence: u64,
    header_changed: bool,
    /// A sum for each block behind the header; 0 for one that was never written.
    sums: Vec<u32>,
    groups_changed: BTreeSet<usize>,
    unwritten: Unwritten,
}

impl Guard {
    /// Reads the header and the sums of a disk, or starts on an empty one.
    ///
    /// # Errors
    ///
    /// [`Failure::Damaged`] when no copy of the header is whole, [`Failure::Format`] when a newer
    /// version wrote it.
    pub(crate) fn open(disk: Arc<dyn Disk>) -> Result<Self, Failure> {
        let len = disk.len()?;
        let mut state = State {
            header: [0; HEADER],
            sequence: 0,
            header_changed: false,
            sums: Vec::new(),
            groups_changed: BTreeSet::new(),
            unwritten: Unwritten::default(),
        };
        if len > 0 {
            let blocks =
                blocks_of(len).ok_or_else(|| damaged("the file's length is impossible"))?;
            (state.sequence, state.header) = read_header(&*disk)?;
            state.sums = read_sums(&*disk, blocks)?;
        }
        Ok(Self { disk, state: RwLock::new(state), failed: AtomicBool::new(false) })
    }

    /// Bytes of the file on the disk, sums and copies included.
    pub(crate) fn file_bytes(&self) -> io::Result<u64> {
        self.disk.len()
    }

    /// Bytes free on the file system.
    pub(crate) fn available(&self) -> io::Result<u64> {
        self.disk.available()
    }

    fn usable(&self) -> io::Result<()> {
        if self.failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier write or sync failed"));
        }
        Ok(())
    }

    fn latch<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        result
    }

    fn write_blocks(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (first, blocks) = blocks_at(offset, bytes.len())?;
        let mut state = self.state.write();
        if first + blocks > state.sums.len() {
            return Err(misplaced());
        }
        for (index, block) in (first..).zip(bytes.chunks_exact(BLOCK)) {
            state.unwritten.put(index, block);
        }
        if state.unwritten.is_full() { self.write_out(&mut state) } else { Ok(()) }
    }

    fn write_out(&self, state: &mut State) -> io::Result<()> {
        let State { unwritten, sums, groups_changed, .. } = state;
        unwritten.write_out(|first, bytes| {
            let blocks = bytes.chunks_exact(BLOCK);
            for ((index, block), place) in (first..).zip(blocks).zip(sums.iter_mut().skip(first)) {
                *place = sum(index, block);
            }
            groups_changed.insert(first / GROUP);
            self.disk.write(place(first), bytes)
        })
    }

    fn write_changes(&self) -> io::Result<()> {
        let mut state = self.state.write();
        self.write_out(&mut state)?;
        let mut block = [0; BLOCK];
        for group in std::mem::take(&mut state.groups_changed) {
            let sums = state.sums.get(group * GROUP..).unwrap_or_default();
            block.fill(0);
            for (place, sum) in block.chunks_exact_mut(size_of::<u32>()).zip(sums) {
                place.copy_from_slice(&sum.to_le_bytes());
            }
            self.disk.write(FIRST_GROUP + group as u64 * GROUP_BYTES, &block)?;
        }
        if std::mem::take(&mut state.header_changed) {
            state.sequence += 1;
            let copy = header_copy(state.sequence, &state.header);
            self.disk.write(0, &copy)?;
            self.disk.write(BLOCK_BYTES, &copy)?;
        }
        Ok(())
    }

    fn read_blocks(&self, first: usize, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(place(first), out)?;
        let state = self.state.read();
        for (index, block) in (first..).zip(out.chunks_exact(BLOCK)) {
            if state.sums.get(index).copied() != Some(sum(index, block)) {
                let detail = format!("block {} is not what was written", index + 1);
                return Err(io::Error::new(io::ErrorKind::InvalidData, detail));
            }
        }
        Ok(())
    }

    /// Reads a block that a transaction under way may have written.
    fn read_block(&self, index: usize, out: &mut [u8]) -> io::Result<()> {
        if let Some(block) = self.state.read().unwritten.get(index) {
            out.copy_from_slice(block);
            return Ok(());
        }
        self.read_blocks(index, out)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        let blocks = match len / BLOCK_BYTES {
            0 => 0,
            blocks => usize::try_from(blocks - 1).map_err(io::Error::other)?,
        };
        let mut state = self.state.write();
        if let Some(last) = state.sums.len().checked_sub(1).filter(|last| *last >= blocks) {
            // What was cut off is zero when the file grows again, and so must its sum be.
            state.groups_changed.extend(blocks / GROUP..=last / GROUP);
            let kept = blocks.div_ceil(GROUP);
            state.groups_changed.retain(|group| *group < kept);
            state.unwritten.cut(blocks);
        }
        state.sums.resize(blocks, 0);
        self.disk.set_len(file_len(blocks))
    }
}

impl redb::StorageBackend for Guard {
    fn len(&self) -> io::Result<u64> {
        let len = self.disk.len()?;
        let blocks = blocks_of(len).ok_or_else(|| invalid("the file's length is impossible"))?;
        Ok(if len == 0 { 0 } else { (blocks as u64 + 1) * BLOCK_BYTES })
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset < BLOCK_BYTES {
            let state = self.state.read();
            let from = usize::try_from(offset).map_err(io::Error::other)?;
            let bytes = state.header.get(from..from + out.len()).ok_or_else(misplaced)?;
            out.copy_from_slice(bytes);
            return Ok(());
        }
        for (first, part) in runs(offset, out.len())? {
            let out = out.get_mut(part).ok_or_else(misplaced)?;
            if !self.state.read().unwritten.touches(first, out.len() / BLOCK) {
                self.read_blocks(first, out)?;
                continue;
            }
            for (index, block) in (first..).zip(out.chunks_exact_mut(BLOCK)) {
                self.read_block(index, block)?;
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.usable()?;
        self.latch(self.resize(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.usable()?;
        self.latch(self.write_changes().and_then(|()| self.disk.sync()))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.usable()?;
        if offset >= BLOCK_BYTES {
            return self.latch(self.write_blocks(offset, data));
        }
        let mut state = self.state.write();
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let header = state.header.get_mut(from..from + data.len()).ok_or_else(misplaced)?;
        header.copy_from_slice(data);
        state.header_changed = true;
        Ok(())
    }
}

/// Shares the guard between the database and the engine, which asks it for sizes.
#[derive(Debug)]
pub(crate) struct Shared(pub(crate) Arc<Guard>);

impl redb::StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// The first block's number, and how many there are; an access is of whole ones.
fn blocks_at(offset: u64, len: usize) -> io::Result<(usize, usize)> {
    if !offset.is_multiple_of(BLOCK_BYTES) || !len.is_multiple_of(BLOCK) {
        return Err(misplaced());
    }
    let first = (offset / BLOCK_BYTES).checked_sub(1).ok_or_else(misplaced)?;
    Ok((usize::try_from(first).map_err(io::Error::other)?, len / BLOCK))
}

/// Splits whole blocks at the borders of groups: the first block's number and the bytes' range.
fn runs(offset: u64, len: usize) -> io::Result<Vec<(usize, std::ops::Range<usize>)>> {
    let (first, _) = blocks_at(offset, len)?;
    let (mut at, mut runs) = (0, Vec::with_capacity(1));
    while at < len {
        let index = first + at / BLOCK;
        let end = len.min(at + (GROUP - index % GROUP) * BLOCK);
        runs.push((index, at..end));
        at = end;
    }
    Ok(runs)
}

/// Where a block stands on the disk.
const fn place(index: usize) -> u64 {
    let group = (index / GROUP) as u64 * GROUP_BYTES;
    FIRST_GROUP + group + (1 + (index % GROUP) as u64) * BLOCK_BYTES
}

/// Bytes of a file with that many blocks behind the header.
const fn file_len(blocks: usize) -> u64 {
    FIRST_GROUP + (blocks.div_ceil(GROUP) + blocks) as u64 * BLOCK_BYTES
}

/// Blocks behind the header of a file that long; none for a length that no file has.
fn blocks_of(len: u64) -> Option<usize> {
    if len == 0 {
        return Some(0);
    }
    let groups = len.checked_sub(FIRST_GROUP)?;
    let rest = (groups % GROUP_BYTES) / BLOCK_BYTES;
    let blocks = groups / GROUP_BYTES * GROUP as u64 + rest.saturating_sub(1);
    let blocks = usize::try_from(blocks).ok()?;
    (file_len(blocks) == len).then_some(blocks)
}

/// The sum of a block, bound to its place, so that a block in another's place is found too.
fn sum(index: usize, block: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(index as u64).to_le_bytes());
    hasher.update(block);
    match hasher.finalize() {
        // Zero says that the block was never written.
        0 => 1,
        sum => sum,
    }
}

fn read_sums(disk: &dyn Disk, blocks: usize) -> Result<Vec<u32>, Failure> {
    let mut sums = Vec::with_capacity(blocks.next_multiple_of(GROUP));
    let mut block = [0; BLOCK];
    for group in 0..blocks.div_ceil(GROUP) {
        disk.read(FIRST_GROUP + group as u64 * GROUP_BYTES, &mut block)?;
        let (words, _) = block.as_chunks();
        sums.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
    }
    sums.truncate(blocks);
    Ok(sums)
}

fn damaged(detail: &str) -> Failure {
    Failure::Damaged(detail.to_owned())
}

fn invalid(detail: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

fn misplaced() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "an access is outside of whole blocks")
}

#[cfg(test)]
mod tests;
