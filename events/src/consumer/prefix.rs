//! What of a partition is settled, and from where on to read after a restart.

use std::collections::BTreeSet;

/// The offsets of a partition that were given and are not settled, and where reading stands.
///
/// Offsets need not be dense: those that were never given hold nothing up.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefix {
    open: BTreeSet<u64>,
    read: u64,
    /// What was committed last.
    committed: u64,
}

impl Prefix {
    /// Everything below an offset is settled.
    pub(super) fn at(offset: u64) -> Self {
        Self { open: BTreeSet::new(), read: offset, committed: offset }
    }

    /// Takes an offset on. False: it was given before, or is settled.
    pub(super) fn give(&mut self, offset: u64) -> bool {
        let is_new = offset >= self.read;
        if is_new {
            self.open.insert(offset);
            self.read = offset + 1;
        }
        is_new
    }

    /// Settles an offset.
    pub(super) fn settle(&mut self, offset: u64) {
        self.open.remove(&offset);
    }

    /// The first offset that is not settled: what a group may commit.
    pub(super) fn next(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.read)
    }

    /// Whether everything below an offset is settled, and itself is not.
    pub(super) fn is_head(&self, offset: u64) -> bool {
        self.open.first() == Some(&offset)
    }

    /// Offsets that are not settled.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// What there is to commit since the last call.
    pub(super) fn commit(&mut self) -> Option<u64> {
        let next = self.next();
        (next > self.committed).then(|| {
            self.committed = next;
            next
        })
    }
}

#[cfg(test)]
mod tests;
