//! Blocks on their way to the disk, kept until a sync so that neighbors go there in one write.

use std::{collections::BTreeMap, io};

use super::{BLOCK, GROUP};

/// Blocks kept at most, 16 MiB; then they are written without a sync.
const BLOCKS_MAX: usize = 4_096;

/// Blocks that were written above and not yet below.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    /// A block's number to its place in `blocks`.
    places: BTreeMap<usize, usize>,
    blocks: Vec<u8>,
    /// What one write takes; kept for its memory.
    run: Vec<u8>,
}

impl Unwritten {
    /// Keeps a block in place of an earlier one of its number.
    pub(super) fn put(&mut self, index: usize, block: &[u8]) {
        let at = *self.places.entry(index).or_insert(self.blocks.len());
        match self.blocks.get_mut(at..at + block.len()) {
            Some(place) => place.copy_from_slice(block),
            None => self.blocks.extend_from_slice(block),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.len() >= BLOCKS_MAX
    }

    /// Whether one of so many blocks from the first on is kept here.
    pub(super) fn touches(&self, first: usize, blocks: usize) -> bool {
        self.places.range(first..first + blocks).next().is_some()
    }

    /// The block, if it is kept here.
    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        let at = *self.places.get(&index)?;
        self.blocks.get(at..at + BLOCK)
    }

    /// Forgets the blocks from that one on.
    pub(super) fn cut(&mut self, blocks: usize) {
        drop(self.places.split_off(&blocks));
    }

    /// Writes all blocks in the order of their places, neighbors together, and forgets them. A run
    /// stays inside of one group.
    pub(super) fn write_out(
        &mut self,
        mut write: impl FnMut(usize, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Self { places, blocks, run } = self;
        let mut first = 0;
        run.clear();
        for (index, at) in &*places {
            let next = first + run.len() / BLOCK;
            if !run.is_empty() && (*index != next || index.is_multiple_of(GROUP)) {
                write(first, run)?;
                run.clear();
            }
            if run.is_empty() {
                first = *index;
            }
            run.extend_from_slice(blocks.get(*at..*at + BLOCK).unwrap_or_default());
        }
        if !run.is_empty() {
            write(first, run)?;
        }
        places.clear();
        blocks.clear();
        Ok(())
    }
}
