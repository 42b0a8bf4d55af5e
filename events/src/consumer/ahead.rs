//! Entries that were read and not kept: only their places are remembered, and they are read again
//! when there is room for them.
//!
//! So a handler knows what waits for it far beyond what it has room for, and what is urgent does not
//! wait behind a backlog of what is not. A key's entries are read again in their order, all of them
//! with the class of the most important one.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    sync::Arc,
};

use headgate_types::Class;

use super::lanes::Key;

/// Entries that are read again at once, at most.
const ROWS_MAX: u64 = 128;

/// The places of entries that were not kept.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Keys by their offsets, by class and partition.
    places: BTreeMap<(Class, u32), BTreeMap<u64, Key>>,
    /// What was not kept of each key, in order.
    keys: HashMap<Key, Skipped>,
    /// The partition that was read again last, by class.
    last: BTreeMap<Class, u32>,
}

#[derive(Debug)]
struct Skipped {
    class: Class,
    partition: u32,
    offsets: VecDeque<u64>,
}

impl Ahead {
    /// Whether entries of a key were not kept: what comes after them is not kept either.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.keys.contains_key(key)
    }

    /// Remembers the place of an entry that is not kept. Places of a key come in order.
    pub(super) fn skip(&mut self, key: &Key, class: Class, (partition, offset): (u32, u64)) {
        let skipped = self.keys.entry(Arc::clone(key)).or_insert_with(|| Skipped {
            class,
            partition,
            offsets: VecDeque::new(),
        });
        skipped.offsets.push_back(offset);
        if class < skipped.class {
            let before = (skipped.class, partition);
            skipped.class = class;
            if let Some(places) = self.places.get_mut(&before) {
                for offset in &skipped.offsets {
                    places.remove(offset);
                }
                if places.is_empty() {
                    self.places.remove(&before);
                }
            }
            let all = skipped.offsets.iter().map(|offset| (*offset, Arc::clone(key)));
            self.places.entry((class, partition)).or_default().extend(all);
        } else {
            let places = self.places.entry((skipped.class, partition)).or_default();
            places.insert(offset, Arc::clone(key));
        }
    }

    /// How many places of a partition are remembered.
    pub(super) fn of(&self, partition: u32) -> usize {
        let places = |class| self.places.get(&(class, partition)).map_or(0, BTreeMap::len);
        Class::ALL.into_iter().map(places).sum()
    }

    /// How many places of a class are remembered.
    pub(super) fn waiting(&self, class: Class) -> usize {
        self.places.range((class, 0)..=(class, u32::MAX)).map(|(_, places)| places.len()).sum()
    }

    /// What to read again for a class: its partitions in turn, of each the first place and what is
    /// near behind it. None: nothing of the class was left out.
    pub(super) fn next(&mut self, class: Class) -> Option<(u32, Range<u64>)> {
        let after = self.last.get(&class).map_or(0, |last| last.saturating_add(1));
        let mut further = self.places.range((class, after)..=(class, u32::MAX));
        let found = further.next().or_else(|| self.places.range((class, 0)..(class, after)).next());
        let ((_, partition), places) = found?;
        let (first, _) = places.first_key_value()?;
        let near = *first..first.saturating_add(ROWS_MAX);
        let (last, _) = places.range(near).next_back()?;
        let next = (*partition, *first..*last + 1);
        self.last.insert(class, next.0);
        Some(next)
    }

    /// Takes a place whose entry was read again for a class. False: it is not due, because it or
    /// what comes before it in its key is less important, or it is no such place.
    pub(super) fn take(&mut self, class: Class, (partition, offset): (u32, u64)) -> bool {
        let of = |of: &Class| self.places.get(&(*of, partition)).and_then(|it| it.get(&offset));
        let Some(found) = Class::ALL.into_iter().filter(|of| *of <= class).find_map(|it| of(&it))
        else {
            return false;
        };
        let is_first = |it: &Skipped| it.offsets.front() == Some(&offset);
        let is_due = self.keys.get(found).is_some_and(is_first);
        if is_due {
            self.remove(partition, offset);
        }
        is_due
    }

    /// Forgets places whose entries are not in the log any more, and tells them. `found` are the
    /// offsets of those that are, in order.
    pub(super) fn gone(&mut self, partition: u32, within: Range<u64>, found: &[u64]) -> Vec<u64> {
        let places = Class::ALL.into_iter().filter_map(|of| self.places.get(&(of, partition)));
        let offsets = places.flat_map(|places| places.range(within.clone())).map(|(at, _)| *at);
        let gone: Vec<_> = offsets.filter(|offset| found.binary_search(offset).is_err()).collect();
        for offset in &gone {
            self.remove(partition, *offset);
        }
        gone
    }

    /// Forgets partitions.
    pub(super) fn forget(&mut self, partitions: &[u32]) {
        self.places.retain(|(_, partition), _| !partitions.contains(partition));
        self.keys.retain(|_, skipped| !partitions.contains(&skipped.partition));
    }

    fn remove(&mut self, partition: u32, offset: u64) {
        let mut found = None;
        for class in Class::ALL {
            let Some(places) = self.places.get_mut(&(class, partition)) else { continue };
            found = found.or_else(|| places.remove(&offset));
            if places.is_empty() {
                self.places.remove(&(class, partition));
            }
        }
        let Some(key) = found else { return };
        let Some(skipped) = self.keys.get_mut(&key) else { return };
        if skipped.offsets.front() == Some(&offset) {
            skipped.offsets.pop_front();
        } else {
            skipped.offsets.retain(|it| *it != offset);
        }
        if skipped.offsets.is_empty() {
            self.keys.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
